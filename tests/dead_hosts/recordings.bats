#!/usr/bin/env bats
# The room of dead hosts on recordings: no false claim, the documentation as it is, and a checker that can fail.

bats_require_minimum_version 1.5.0

setup() {
    ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    BUILD=${BUILD:-build}
    [[ $BUILD = /* ]] || BUILD=$ROOT/$BUILD
    RECORDING=$ROOT/tests/data/pve/ha-timelines.jsonl.gz
    DEAD_HOST=$BUILD/tests/dead_host
    TABLE=$BUILD/tests/dead_hosts_table
}

# One timeline: a host is cut off, and its watchdog fires.
netoff() {
    gzip -dc "$RECORDING" | grep '"scenario":"x-netoff.s10"'
}

@test "no claim of a dead host is false, whatever the sampling, and doc/dead-hosts.md is what it says (make doc/dead-hosts.md)" {
    "$TABLE" "$RECORDING" >"$BATS_TEST_TMPDIR/table"
    cat "$ROOT/tests/dead_hosts/intro.md" "$BATS_TEST_TMPDIR/table" | diff -u "$ROOT/doc/dead-hosts.md" - >&2
}

@test "a claim of a host that went on running is called false" {
    netoff | sed 's/"power":{[^}]*}/"power":{"node1":true,"node2":true,"node3":true}/' >"$BATS_TEST_TMPDIR/lives.jsonl"
    run -1 --separate-stderr "$TABLE" "$BATS_TEST_TMPDIR/lives.jsonl"
    [[ $stderr = *"false: x-netoff.s10 node3"* ]]
    netoff >"$BATS_TEST_TMPDIR/dies.jsonl"
    run -0 "$TABLE" "$BATS_TEST_TMPDIR/dies.jsonl"
}

@test "dead_host prints scenario, host, and the claim's first and last second" {
    netoff | gzip >"$BATS_TEST_TMPDIR/dies.jsonl.gz"
    run -0 "$DEAD_HOST" "$BATS_TEST_TMPDIR/dies.jsonl.gz"
    [ "$output" = "x-netoff.s10 node3 350 680" ]
    run -0 "$DEAD_HOST" "$BATS_TEST_TMPDIR/dies.jsonl.gz" --interval 2.5 --phase 1.25 --only vm:900
    [ "$output" = "x-netoff.s10 node3 341.250 680" ]
}

@test "dead_host says what it wants, and what it cannot read" {
    run -0 "$DEAD_HOST" --help
    [[ $output = *"SCENARIO HOST FROM TO"* ]]
    for wrong in "" "--interval 0 x" "--interval x x" "--phase -1 x" "--nonsense x" "a b"; do
        # shellcheck disable=SC2086
        run -2 "$DEAD_HOST" $wrong
        [[ $output = *Usage:* ]]
    done
    run -2 "$DEAD_HOST" "$BATS_TEST_TMPDIR/nothing"
    [[ $output = *"No such file or directory" ]]
    echo '{"scenario": "x"}' >"$BATS_TEST_TMPDIR/broken"
    run -2 "$DEAD_HOST" "$BATS_TEST_TMPDIR/broken"
    [[ $output = *"not a line of a recording"* ]]
}
