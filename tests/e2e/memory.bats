#!/usr/bin/env bats
# Memory that runs out (of what the daemon itself allocates): what was asked for meanwhile may fail, with words; the daemon does not end, and says no wrong "off".
# shellcheck disable=SC2034,SC2154

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
    [[ $BUILD != */san-* ]] || missing "sanitizers have a malloc() of their own"
    SIM_ARGUMENTS=(--scale 0.1)
    fails_one_of 0
    BROKER_COMMAND=(env LD_PRELOAD="$BUILD/failing_malloc.so" FAILING_MALLOC="$T/one-of" "$BUILD/fence_brokerd")
}
teardown() { fence_teardown; }

# fails_one_of N: of so many allocations of the daemon, from now on; 0: none
fails_one_of() {
    printf '%-20s' "$1" >"$T/new"
    dd if="$T/new" of="$T/one-of" conv=notrunc status=none
}

daemon_lives() { ! has_ended "$BROKER_PID"; }

@test "allocations fail now and then: the daemon goes on, no fence is a false success, and then all works" {
    local n action
    sim_start
    broker_start fence.deadline=5s proxmox.poll-interval=1s
    for n in 100 5; do
        fails_one_of "$n"
        for action in off on reboot; do
            # whether it succeeds is open; fence_end looks whether a success is true
            fence_begin one 101 -o $action -n vm101
            fence_begin two 120 -o $action -n ct120
            client status >"$T/status.out" 2>&1 || true
            client targets --json >"$T/targets.out" 2>&1 || true
            curl -sS --max-time 5 --unix-socket "$METRICS" -o /dev/null http://localhost/metrics 2>/dev/null || true
            fence_end one
            fence_end two
            daemon_lives
        done
        kill -HUP "$BROKER_PID"
    done
    fails_one_of 0
    await 30 client -o monitor -q
    daemon_lives
    next_fence_works 103
}

@test "a time without any memory: nothing is answered, and after it fences work" {
    sim_start
    broker_start fence.deadline=5s proxmox.poll-interval=1s
    fails_one_of 1
    fence_begin one 101 -o off -n vm101
    client status >"$T/status.out" 2>&1 || true
    fails_one_of 0
    fence_end one
    daemon_lives
    await 30 client -o monitor -q
    next_fence_works 103
}
