# pvesim answers as the real Proxmox VE did when the recordings in tests/data/pve were made.
bats_require_minimum_version 1.5.0

setup() {
    load lib
    e2e_setup
}
teardown() { e2e_teardown; }

@test "all recorded calls get the recorded answers: status, reason, headers, keys, values and error texts" {
    "$ROOT/tests/pvesim-replay" "$BUILD/pvesim" "$ROOT/tests/data/pve/transcripts.jsonl" "$ROOT/tests/data/pve/fixture" "$SIM" >"$T/tap" || {
        grep -A20 '^not ok' "$T/tap"
        return 1
    }
    sed -n 's/^# left out/# left out/p' "$T/tap" >&3
    [ "$(grep -c '^ok' "$T/tap")" -eq "$(wc -l <"$ROOT/tests/data/pve/transcripts.jsonl")" ]
}
