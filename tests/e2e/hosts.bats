#!/usr/bin/env bats
# Guests, containers and hosts that are not where, or what, they were; and what comes after off: power-ons. Every exit 0 is held against
# the processes of the guest (fence.bash).
# shellcheck disable=SC2034,SC2154

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
    SIM_ARGUMENTS=(--scale 0.1)
}
teardown() { fence_teardown; }

@test "a guest that moved after the last poll is found and fenced on its new host" {
    both_start "proxmox.poll-interval=10min"
    sim_ctl set 101 node=pve2
    sim_ctl set 120 node=pve1
    fence 101 -o off -n vm101
    succeeded
    guest_dead 101
    fence 120 -o off -n ct120
    succeeded
    guest_dead 120
}

@test "another guest's status is never taken for this one's" {
    both_start
    sim_ctl kill 103
    sim_ctl wait 103 stopped
    sim_ctl fault wrong-guest call=status guest=101 with=103
    sim_ctl fault reply-lost-before call=stop guest=101
    fence 101 -o off -n vm101
    [[ $status == 1 ]]
    guest_alive 101
}

@test "garbage and truncated answers to the reads are no proof; the next good one is" {
    both_start
    sim_ctl fault garbage call=status guest=101 count=3
    sim_ctl fault truncated call=status guest=101 count=2
    sim_ctl fault garbage call=resources count=1
    fence 101 -o off -n vm101
    succeeded
    guest_dead 101
    sim_ctl fault garbage call=status guest=102 "text={\"data\":{\"status\":\"stopped\"}}"
    fence 102 -o off -n vm102
    [[ $status == 1 ]]
}

# ---- hosts ----

@test "a guest of a dead host fails at once by the majority's word" {
    both_start
    sim_ctl node pve3 dead
    fence 103 -o off -n vm103
    failed node-offline "pve3"
    within 3000
    operation_is error.code node-offline 103
}

@test "P10: a guest whose host lost its power can be fenced when the host is back, also after a restart of the broker" {
    local began
    both_start fence.stop-timeout=0s
    was_checked() { client targets | grep vm103 | grep -qv no-evidence; }
    await 30 was_checked
    began=$(now_ms)
    sim_ctl node pve3 dead
    fence 103 -o off -n vm103
    failed node-offline pve3
    sim_ctl node pve3 online
    sim_ctl wait 103 stopped
    # so long Proxmox takes to kill; before that a fence has no doubt yet
    await 30 eval "((\$(now_ms) - $began > 11000))"
    fence 103 -o off -n vm103
    succeeded
    broker_kill
    broker_spawn
    await 30 client -o monitor -q
    fence 103 -o reboot -n vm103
    succeeded
    await 30 operation_ended 103
    guest_alive 103
}

@test "a host that was cut off proves nothing: failed as minority, and the others' guests are fenced" {
    sim_start
    broker_configure fence.deadline=5s "proxmox.endpoint=$(sed -n 's/^pve1 //p' "$SIM/endpoints")"
    broker_spawn
    await 30 client -o monitor -q
    sim_ctl node pve1 cut
    fence 101 -o off -n vm101
    failed minority
    operation_is error.code minority
    # another endpoint knows better
    broker_configure fence.deadline=5s "proxmox.endpoint=$(sed -n 's/^pve2 //p' "$SIM/endpoints")"
    kill -HUP "$BROKER_PID"
    await 30 client -o monitor -q
    fence 102 -o off -n vm102
    succeeded
    guest_dead 102
}

# Its corosync died, and so it goes on with the configuration and the member list of then.
@test "a host whose corosync died proves nothing of a guest that was moved, and its guests are known to be blocked" {
    sim_start
    broker_configure fence.deadline=5s "proxmox.endpoint=$(sed -n 's/^pve1 //p' "$SIM/endpoints")"
    broker_spawn
    await 30 client -o monitor -q
    sim_ctl node pve1 corosync-died
    sim_ctl set 101 node=pve2
    fence 101 -o off -n vm101
    failed minority
    guest_alive 101
    await 30 broker_said "vm101: ready -> blocked: minority"
    # another host's pvestatd hangs: two of three have statistics, and so the third counts
    sim_ctl node pve1 online
    sim_ctl node pve3 pvestatd=hangs
    fence 102 -o off -n vm102
    succeeded
    guest_dead 102
}

@test "two hosts of which one died: min-online-nodes = 1 lets the other one's word count" {
    printf '%s\n' "version 9.2.11" "node pve1" "node pve2" "listen pve1 127.0.0.1:0" "guest 101 qemu pve1 vm101 running=1" \
        "guest 102 qemu pve1 vm102 running=1" >"$SIM/cluster.conf"
    sim_start
    broker_start fence.deadline=5s
    sim_ctl node pve2 dead
    fence 101 -o off -n vm101
    failed minority
    broker_configure fence.deadline=5s proxmox.min-online-nodes=1
    kill -HUP "$BROKER_PID"
    await 30 broker_said "reloaded"
    fence 102 -o off -n vm102
    succeeded
    guest_dead 102
}

# ---- calls that reached no host ----

# reached_none VMID GLOB…: the newest operation's time line has each of these, and says nowhere that a call was sent or went to a host;
# the list says none of it either
reached_none() {
    local vmid=$1 id
    id=$(operation id "$vmid")
    shift
    for what in "$(client explain "$id")" "$(ask GET "/v1/operations/$id")"; do
        unlike "$what" "*sent to*"
        unlike "$what" "*went to*"
        for words in "$@"; do like "$what" "*$words*"; done
    done
    unlike "$(client history)$(ask GET /v1/operations)" "*sent to*"
}

each_action_fails() {
    fence_begin off 101 -o off -n vm101
    fence_begin reboot 102 -o reboot -n vm102
    fence_begin on 103 -o on -n vm103
    for name in off reboot on; do
        fence_end $name
        failed ""
    done
}

@test "history of calls that reached no host: a host without power" {
    both_start
    sim_ctl node pve1 dead
    for action in off reboot on; do
        fence 101 -o $action -n vm101
        failed node-offline "*pve1*"
        reached_none 101
    done
}

@test "history of calls that reached no host: 595, nobody passes them on to it" {
    both_start
    sim_ctl kill 103
    sim_ctl wait 103 stopped
    for call in stop start reset; do
        sim_ctl fault http call=$call status=595 "reason=Connection refused"
    done
    each_action_fails
    reached_none 101 "stop: pve1 could not be reached by 127.0.0.1:"
    reached_none 102 "stop: pve2 could not be reached by 127.0.0.1:"
    reached_none 103 "start: pve3 could not be reached by 127.0.0.1:"
    fence 101 -o reboot -n vm101 -m cycle
    failed ""
    reached_none 101 "reset: pve1 could not be reached by 127.0.0.1:"
}

@test "history of calls that reached no host: no endpoint takes a connection, or none in time" {
    both_start proxmox.answer-timeout=1s
    sim_ctl fault refuse
    each_action_fails
    reached_none 101 "stop could not be sent: stop at 127.0.0.1:"
    reached_none 102 "stop could not be sent: stop at 127.0.0.1:"
    reached_none 103
    # connections are taken, and nothing comes on them: no TLS, no request
    sim_ctl clear
    await 30 client -o monitor -q
    sim_ctl fault silent
    fence_begin off 101 -o off -n vm101
    fence_begin reboot 102 -o reboot -n vm102
    for name in off reboot; do
        fence_end $name
        failed ""
    done
    reached_none 101
    reached_none 102
}

# ---- containers, and what was off already ----

@test "containers: off, off again, reboot, and on" {
    both_start
    fence 120 -o off -n ct120
    succeeded
    guest_dead 120
    fence 120 -o off -n ct120          # "CT n not running" proves nothing by itself
    succeeded
    at_least "$took" 2000
    fence 120 -o on -n ct120
    succeeded
    guest_alive 120
    fence 120 -o reboot -n ct120
    succeeded
    await 30 operation_ended 120
    guest_alive 120
    fence 120 -o reboot -n ct120 -m cycle
    succeeded
    await 30 operation_ended 120
    guest_alive 120
}

@test "a guest that is off already is proven off; reboot starts it, by both methods" {
    both_start
    for vmid in 101 102 103; do sim_ctl kill $vmid; sim_ctl wait $vmid stopped; done
    all_three_begin
    for name in off reboot cycle; do
        fence_end $name
        succeeded
        within 2000
    done
    guest_dead 101
    await 30 operation_ended 102
    await 30 operation_ended 103
    guest_alive 102 && guest_alive 103
}

@test "cycle keeps QEMU and ends the guest's own processes" {
    both_start
    life=$(guest_life 101)
    fence 101 -o reboot -n vm101 -m cycle
    succeeded
    guest_alive 101
    is "$(guest_life 101)" "$life"
    is "$(sent stop 101)" 0
}

@test "a power-on that fails is said, is tried again, and does not take back the proven off" {
    both_start
    sim_ctl set 101 nostart=1
    fence 101 -o reboot -n vm101
    succeeded
    guest_dead 101
    await 30 operation_says "start failed"
    is "$(operation power_on)" pending
    sim_ctl set 101 nostart=0
    sim_ctl wait 101 running
    await 30 operation_is power_on done
    guest_alive 101
}

@test "the last word is the deadline's: a QEMU that hangs fails in time" {
    both_start
    sim_ctl set 101 hung=1
    fence 101 -o off -n vm101
    within 7000
    [[ $status == 1 ]] || guest_dead 101
}
