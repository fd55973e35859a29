#!/usr/bin/env bats
# The agent under Pacemaker's real fencer, with a stand-in broker behind it: what Pacemaker makes of our metadata, list and failures.

load helper

setup() {
    client_setup
    [[ $(id -u) == 0 ]] || skip "needs root for namespaces"
    [[ -x /usr/lib/pacemaker/pacemaker-fenced ]] || skip "pacemaker is not installed"
    command -v corosync >/dev/null || skip "corosync is not installed"
    unshare -mnipu --fork --mount-proc true 2>/dev/null || skip "no namespaces here"
}
teardown() { client_teardown; }

# fencer SCRIPT: bash lines to run while the fencer has the device "dev"
fencer() {
    status=0
    unshare -mnipu --fork --mount-proc "$BATS_TEST_DIRNAME/fencer" "$T" "$CLIENT" bash -c "
        stonith_admin -R dev -a fence_broker -o socket=$SOCKET || exit 76
        $1" >"$T/out" 2>"$T/err" 3>&- || status=$?
    [[ $status != 77 ]] || skip "no overlay file system here"
    out=$(<"$T/out") err=$(<"$T/err")
}

@test "the fencer takes the device without any host list, and finds each guest by VMID and name" {
    broker "$(reply list 200 text/plain '101,vm1\n102,variable-db\n103,my.invalid.name\n101,node1\n')"
    fencer 'for name in 101 vm1 102 variable-db 103 my.invalid.name node1; do
        stonith_admin -l $name | grep -qx dev || echo "not found: $name"
    done
    stonith_admin -l stranger | grep -qx dev && echo "found a stranger"
    exit 0'
    is "$status" 0
    is "$out" ""
}

@test "the fencer fences through the agent, by the name it was asked for" {
    broker "$(reply list 200 text/plain '101,node1\n')" "$(reply ok 200 text/plain 'ok\n')"
    fencer 'stonith_admin --fence node1 -t 20 && stonith_admin --reboot node1 -t 20'
    is "$status" 0
    is "$(requests | grep POST)" "$(printf 'POST /v1/guests/node1/%s HTTP/1.1\n' off reboot)"
}

@test "a failed fence fails in the fencer, and its log has the cause and the way out" {
    broker "$(reply list 200 text/plain '101,node1\n')" "$(reply bad 502 text/plain 'locked: guest 101 is locked\nhint: qm unlock 101\n')"
    fencer 'stonith_admin --fence node1 -t 20'
    [[ $status != 0 ]]
    grep -q 'stderr: \[ fence_broker: off node1: locked: guest 101 is locked; qm unlock 101 \]' "$T/fenced.log"
}

@test "the fencer warns about none of our parameters and metadata" {
    broker "$(reply list 200 text/plain '101,node1\n')" "$(reply ok 200 text/plain 'ok\n')"
    fencer 'stonith_admin -M -a fence_broker >/dev/null && stonith_admin --fence node1 -t 20'
    is "$status" 0
    is "$(grep -E 'fence_broker.*(warning|error):|(warning|error):.*(fence_broker|metadata)' "$T/fenced.log" || true)" ""
}
