#!/usr/bin/env bats
# P4, never too late: a request that the daemon comes to only later is as old as when it was asked, and nothing is begun for an asker that has
# hung up. The daemon stands still (SIGSTOP), or has not been started yet while systemd listens for it.
# shellcheck disable=SC2034,SC2154

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
}
teardown() { fence_teardown; }

# asked_and_gone VMID: root asks for off and hangs up at once
asked_and_gone() {
    printf 'POST /v1/guests/%s/off HTTP/1.1\r\nHost: x\r\n\r\n' "$1" | "$BATS_TEST_DIRNAME/socket-abuse" "$SOCKET" leave
}
# restarted VMID: by somebody else
restarted() {
    sim_ctl stop "$1" >/dev/null
    sim_ctl wait "$1" stopped 10000
    sim_ctl start "$1" >/dev/null
    sim_ctl wait "$1" running 10000
    guest_note "$1"
}
# monotonic: milliseconds of CLOCK_MONOTONIC
monotonic() { perl -MTime::HiRes=clock_gettime,CLOCK_MONOTONIC -e 'printf "%d\n", 1000 * clock_gettime(CLOCK_MONOTONIC)'; }
none_is_under_way() { [[ $(ask GET /v1/operations) != *'"outcome":"running"'* ]]; }
recorded() { [[ $(ask GET /v1/operations | json operations) == *"$1"* ]]; }

@test "P4: no stop is sent for an asker that hung up while the daemon stood still" {
    local life
    both_start
    kill -STOP "$BROKER_PID"
    asked_and_gone 101
    restarted 101
    life=$(guest_life 101)
    kill -CONT "$BROKER_PID"
    await 30 operation_is outcome abandoned
    is "$(operation error.code)" abandoned
    operation_says 'not begun'
    await 30 none_is_under_way
    is "$(sent stop 101)" 0
    is "$(guest_life 101)" "$life"
    next_fence_works
}

@test "P4: no stop is sent for an asker that hung up before the daemon was started" {
    sim_start
    broker_configure fence.deadline=20s
    mkfifo "$T/go"
    spawn "$T/keeper" "$BATS_TEST_DIRNAME/socket-keeper" "$SOCKET" "$METRICS" "$T/pid" -- \
        setpriv --pdeathsig KILL -- bash -c 'read -r _ <"$4"; exec "$1" -c "$2" 2>>"$3"' - "$BUILD/fence_brokerd" "$CONFIG" "$T/broker.log.err" "$T/go"
    KEEPER_PID=$SPAWNED
    await 30 test -S "$SOCKET"
    asked_and_gone 101
    restarted 101
    echo go >"$T/go"
    await 30 client -o monitor -q
    await 30 recorded '"plug":"101"'
    is "$(ask GET /v1/operations | json operations.0.outcome)" abandoned
    await 30 none_is_under_way
    is "$(sent stop 101)" 0
    guest_alive 101
    keeper_stop
}

@test "P4: a request that waited 40 s for the daemon stops no guest that was restarted meanwhile" {
    local asked
    sim_start
    broker_start
    asked=$(($(monotonic) - 40000))
    restarted 101
    is "$(ask POST /v1/guests/101/off -o "$T/body" -w '%{http_code}' -H "Asked-At: $asked")" 503
    like "$(<"$T/body")" '*"abandoned"*'
    is "$(sent stop 101)" 0
    guest_alive 101
}

@test "P4: a client that waited for a daemon that stood still has its fence" {
    both_start
    kill -STOP "$BROKER_PID"
    fence_begin waits 101 -o off -n vm101
    kill -CONT "$BROKER_PID"
    fence_end waits
    succeeded
    guest_dead 101
}

@test "P4: an asker that has only closed its own direction is still there" {
    both_start
    printf 'POST /v1/guests/101/off HTTP/1.1\r\nHost: x\r\n\r\n' | "$BATS_TEST_DIRNAME/socket-abuse" "$SOCKET" half >"$T/answer"
    like "$(head -n 1 "$T/answer")" 'HTTP/1.1 200 *'
    guest_dead 101
}
