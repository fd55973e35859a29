#!/usr/bin/env bats
# tests/run-one: what hangs is ended, and what a test leaves behind goes with it, or a run would wait for ever.
# shellcheck disable=SC2154

setup() {
    ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    T=$(mktemp -d "${TMPDIR:-/tmp}/fence-broker-run-one.XXXXXX")
    unset CI
}
teardown() { rm -rf "$T"; }

test_is() {
    printf '%s\n' '#!/bin/bash' 'echo 1..1' "$@" >"$T/one"
    chmod +x "$T/one"
}
# the bats descriptor is not the test's
one() { run env "$@" "$ROOT/tests/run-one" "$T/one" 3>&-; }
# for where pids are not those that were written down
has_ended() { [[ ! -e /proc/$1 || $(awk '/^State:/ { print $2 }' "/proc/$1/status" 2>/dev/null) == [ZX] ]]; }

@test "the exit status and the output are the test's" {
    test_is 'echo ok 1 - fine'
    one
    [[ $status == 0 && $output == $'1..1\nok 1 - fine' ]]
    test_is 'echo not ok 1 - bad' 'exit 3'
    one
    [[ $status == 3 && $output == *"not ok 1 - bad"* ]]
    test_is 'kill -s KILL $$'
    one
    [[ $status == 137 ]]
}

@test "children that hold the output, in its process group or in a session of their own, end with the test" {
    test_is "sleep 1000 & echo \$! >$T/child" "setsid sleep 1000 & echo \$! >$T/daemon" \
        "(setsid bash -c 'echo \$\$ >$T/orphan; exec sleep 1000' &)" "until [[ -s $T/orphan ]]; do sleep 0.02; done" 'echo ok 1 - fine'
    one
    [[ $status == 0 ]]
    [[ $output == *"left sleep"*"behind"* ]]
    for who in child daemon orphan; do has_ended "$(<"$T/$who")"; done
}

@test "a test that hangs is ended with its children, and has failed" {
    test_is "trap '' TERM" "setsid sleep 1000 & echo \$! >$T/daemon" "echo \$\$ >$T/self" 'wait; wait; sleep 1000'
    one TEST_LIMIT=1
    [[ $status == 124 ]]
    [[ $output == *"takes longer than 1 s"* ]]
    has_ended "$(<"$T/self")"
    has_ended "$(<"$T/daemon")"
}
