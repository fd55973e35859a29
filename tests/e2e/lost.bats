#!/usr/bin/env bats
# P3, unknown is not an answer: answers lost before or after the work was done, work done late, and 5xx that hide either. Every exit 0 is
# held against the processes of the guest (fence.bash).
# shellcheck disable=SC2034,SC2154

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
    SIM_ARGUMENTS=(--scale 0.1)
}
teardown() { fence_teardown; }

@test "P3: an answer lost after the stop was done: the state is read, and it is success" {
    both_start
    sim_ctl fault reply-lost-after call=stop
    sim_ctl fault reply-lost-after call=reset
    all_three_begin
    for name in off reboot cycle; do
        fence_end $name
        succeeded
        within 3000
    done
    guest_dead 101
    is "$(sent reset 103)" 1
    sim_ctl clear
}

@test "P3: an answer lost before the stop was done: it is sent again, and only then is it success" {
    both_start
    sim_ctl fault reply-lost-before call=stop guest=101 count=1
    sim_ctl fault reply-lost-before call=stop guest=102 count=1
    sim_ctl fault reply-lost-before call=reset guest=103 count=1
    all_three_begin
    for name in off reboot cycle; do
        fence_end $name
        succeeded
        within 4000
    done
    guest_dead 101
}

@test "P3: every answer lost before the stop was done: failed, and the guest lives" {
    both_start
    sim_ctl fault reply-lost-before call=stop
    sim_ctl fault reply-lost-before call=reset
    all_three_begin
    for name in off reboot cycle; do
        fence_end $name
        failed "" "still runs"
        at_least "$took" 4500
    done
    guest_alive 101 && guest_alive 102 && guest_alive 103
}

@test "P3: a stop without an answer that is carried out later is waited for" {
    both_start "proxmox.answer-timeout=1s"
    sim_ctl fault carried-out-late call=stop guest=101 ms=2000
    fence 101 -o off -n vm101
    succeeded
    guest_dead 101
}

@test "rule 6: after a lost stop no start is sent until it can no longer hit the new guest" {
    both_start "proxmox.answer-timeout=1s"
    sim_ctl fault carried-out-late call=stop guest=101 ms=3000 count=1
    life=$(guest_life 101)
    fence 101 -o reboot -n vm101
    succeeded
    # off is proven by the second stop; the first one is carried out at 3 s
    await 75 operation_ended
    operation_is power_on done
    guest_alive 101
    unlike "$(guest_life 101)" "$life"
    is "$(sent start 101)" 1
}

@test "a 5xx without a task although the stop was done is read as what it is" {
    both_start
    sim_ctl fault no-upid-500 call=stop
    sim_ctl fault no-upid-500 call=reset
    all_three_begin
    for name in off reboot cycle; do
        fence_end $name
        succeeded
    done
    guest_dead 101
}

@test "a 5xx or 596 for the stop itself is tried again" {
    both_start
    sim_ctl fault http call=stop guest=101 status=596 count=1 "reason=Connection timed out"
    sim_ctl fault http call=stop guest=102 status=500 count=1 "reason=unexpected"
    fence_begin one 101 -o off -n vm101
    fence_begin two 102 -o off -n vm102
    fence_end one && succeeded
    fence_end two && succeeded
    guest_dead 101 && guest_dead 102
}
