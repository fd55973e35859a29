# pvesim answers as the real Proxmox VE did when the recordings in tests/data/pve were made.
bats_require_minimum_version 1.5.0

setup() {
    load lib
    e2e_setup
}
teardown() { e2e_teardown; }

# replay RECORDINGS: all of them, and says which ones were left out
replay() {
    "$ROOT/tests/pvesim-replay" "$BUILD/pvesim" "$ROOT/tests/data/pve/$1" "$ROOT/tests/data/pve/fixture" "$SIM" >"$T/tap" || {
        grep -A20 '^not ok' "$T/tap"
        return 1
    }
    grep '^# left out' "$T/tap" >&3
    [ "$(grep -c '^ok' "$T/tap")" -eq "$(wc -l <"$ROOT/tests/data/pve/$1")" ]
}

@test "all recorded calls get the recorded answers: status, reason, headers, keys, values and error texts" {
    replay transcripts.jsonl
}

@test "so do an administrator's, who makes pool, group, user, role, grant and token" {
    replay transcripts-provision.jsonl
}
