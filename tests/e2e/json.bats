#!/usr/bin/env bats
# fence-broker-json(7) lists the fields of every document: those of real answers, and no others.
# shellcheck disable=SC2034,SC2154

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
    export CIB_file=$T/no-such-cib.xml
    FIELDS=$ROOT/tests/admin/json-fields MANUAL=$ROOT/man/fence-broker-json.7
}
teardown() { fence_teardown; }

# documented SECTION: the documents on standard input have, together, the fields of that section and no others
documented() {
    "$FIELDS" >"$T/real"
    "$FIELDS" "$MANUAL" "$1" | sort -u >"$T/listed"
    [[ -s $T/listed ]] || { printf 'the manual has no section %s\n' "$1" >&2; return 1; }
    sort -u "$T/real" | diff - "$T/listed" || { printf '%s: < only real answers have it; > only the manual\n' "$1" >&2; return 1; }
}
# the command's answer; some of these fail, and answer all the same
answer() { client "$@" --json 2>/dev/null || true; }
evidence_is_there() { [[ $(answer targets node1 | json evidence.rehearsal.seen_at) == 20* ]]; }
reboot_is_over() { [[ $(operation power_on 101) == done ]]; }

@test "every field of every document is in the manual, and every one of the manual in an answer" {
    sim_users
    sim_guests
    sed -i 's/^guest 103.*/& lock=backup/' "$SIM/cluster.conf"
    printf '%s\n' 'role:Watcher:VM.Audit,VM.Monitor:' 'acl:1:/vms:fence@pve,fence@pve!broker:Watcher:' >>"$SIM/user.cfg"
    sim_start
    broker_start proxmox.poll-interval=1s proxmox.rehearse-interval=1s nodes.node1=101 nodes.node9=999 proxmox.least-privilege=warn
    await 60 evidence_is_there
    answer off nobody | json error | documented "AN ERROR"
    answer reboot node1 | documented "OFF, ON, REBOOT"
    await 30 reboot_is_over
    answer status | documented STATUS
    answer status | json reasons.0 | documented "A REASON"
    answer targets | documented TARGETS
    answer targets node1 | documented "A GUEST"
    answer targets node1 | json evidence.status | documented "A PIECE OF EVIDENCE"
    answer history | documented HISTORY
    answer explain "$(operation id 101)" | documented "AN OPERATION"
    answer explain "$(operation id 101)" --evidence | documented EVIDENCE
    answer off node1 --dry-run | documented "A DRY RUN"
    answer rehearse node1 | documented REHEARSE
    answer doctor | documented DOCTOR
    answer permissions | documented PERMISSIONS
    answer permissions | json excess.0 | documented "A PRIVILEGE"
    answer whoami | documented WHOAMI
    answer can root off 101 | documented CAN
    ask POST /v1/guests/101/fenced | documented FENCED
    ask GET "/v1/doctor?view=plugs&plugs=node1,none" | documented PLUGS
    ask GET "/v1/guests?view=list-status" | documented LISTS
}
