#!/usr/bin/env bats
# P1, never a false success: Proxmox lies, loses answers, refuses, moves guests and loses hosts, and every exit 0 is held against the
# processes of the guest (fence.bash). Knows the faults that pvesim injects and what the design promises for each.
# shellcheck disable=SC2034,SC2154

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
    SIM_ARGUMENTS=(--scale 0.1)
}
teardown() { e2e_teardown; }

both_start() {
    sim_start "${@:2}"
    # shellcheck disable=SC2086
    broker_start fence.deadline=5s $1
}

# all_three ARGUMENTS…: off of 101, reboot of 102, reboot by cycle of 103, at the same time
all_three_begin() {
    fence_begin off 101 -o off -n vm101
    fence_begin reboot 102 -o reboot -n vm102
    fence_begin cycle 103 -o reboot -n vm103 -m cycle
}

# ---- Proxmox says it is done, and it is not ----

@test "P1: no success while the guest runs on although the stop's task says OK" {
    both_start
    sim_ctl fault task-ok-but-running
    sim_ctl fault task-error call=reset text=simulated
    all_three_begin
    for name in off reboot cycle; do
        fence_end $name
        failed deadline "still runs"
        at_most "$took" 7000
    done
    guest_alive 101 && guest_alive 102 && guest_alive 103
    operation_is outcome failed && operation_is error.code deadline
    broker_ends_clean
}

@test "P1: no success while a process lives on although task and status say stopped" {
    both_start
    sim_ctl fault undead
    sim_ctl fault task-error call=reset text=simulated
    all_three_begin
    for name in off reboot cycle; do
        fence_end $name
        failed unproven "a process of it is still there"
        like "$err" "*kvm -id*"
    done
    guest_alive 101 && guest_alive 102 && guest_alive 103
    sim_ctl guests | grep -q '^101 qemu pve1 stopped'   # so Proxmox says
    is "$(sent start 102)" 0
    is "$(sent start 103)" 0
    operation_is outcome failed && operation_is error.code unproven
}

@test "P1: an undead guest that dies later is waited for, then it is success" {
    both_start
    sim_ctl fault undead ms=1500
    sim_ctl fault task-error call=reset text=simulated
    all_three_begin
    for name in off reboot cycle; do
        fence_end $name
        succeeded
        at_least "$took" 1400
        at_most "$took" 4500
    done
    guest_dead 101
    await 5 operation_ended 102
    guest_alive 102
    await 5 operation_ended 103
    guest_alive 103
}

@test "P1: a guest without a network device that was stopped for so long is unproven" {
    sim_users
    sed -i 's/101,102,103,120/101,102,103,120,104/' "$SIM/user.cfg"
    sim_start "guest 104 qemu pve2 blind no-nic running=1 stop-ms=10500"
    broker_start fence.deadline=20s fence.stop-timeout=0s
    fence 104 -o off -n blind
    failed unproven "no network device"
    is "$(operation error.code 104)" unproven
}

# ---- Proxmox refuses ----

@test "a stop refused with 403 fails at once and names the privilege" {
    both_start
    sim_ctl fault stop-403
    sim_ctl fault http call=reset status=403 "reason=Permission check failed (/vms/103, VM.PowerMgmt)"
    all_three_begin
    for name in off reboot cycle; do
        fence_end $name
        failed no-power-right VM.PowerMgmt
        at_most "$took" 2000
    done
    guest_alive 101 && guest_alive 102 && guest_alive 103
}

@test "a locked guest is failed with the lock's name and the command that unlocks it" {
    both_start fence.lock-wait=1s
    for vmid in 101 102 103; do sim_ctl set $vmid lock=backup; done
    all_three_begin
    for name in off reboot cycle; do
        fence_end $name
        failed locked "(backup)"
        like "$err" "*qm unlock 10*"
        at_least "$took" 900
        at_most "$took" 3500
    done
    guest_alive 101 && guest_alive 102 && guest_alive 103
}

@test "a lock that is released in time is waited out" {
    both_start fence.lock-wait=4s
    sim_ctl set 101 lock=snapshot
    fence_begin off 101 -o off -n vm101
    await 3 operation_says "locked (snapshot)"
    sim_ctl set 101 lock=
    fence_end off
    succeeded
    guest_dead 101
}

@test "a guest that is being migrated is waited for beyond lock-wait, and found on its new host" {
    both_start fence.lock-wait=0s
    sim_ctl set 101 lock=migrate
    fence_begin off 101 -o off -n vm101
    await 3 operation_says "migrate"
    sim_ctl set 101 node=pve2 lock=
    fence_end off
    succeeded
    guest_dead 101
    is "$(operation node)" pve2
}

@test "a stopped guest whose memory is kept (hibernated) is not off" {
    both_start fence.lock-wait=1s
    sim_ctl kill 101
    sim_ctl wait 101 stopped
    sim_ctl set 101 lock=suspended
    fence_begin off 101 -o off -n vm101
    fence_end off
    failed suspended
}

@test "a template and a guest of Proxmox HA are refused at once, with words" {
    sim_users
    sed -i 's/101,102,103,120/101,102,103,120,104,105/' "$SIM/user.cfg"
    both_start "" "guest 104 qemu pve1 golden template=1" "guest 105 qemu pve1 havm ha=started running=1"
    fence 104 -o off -n golden
    failed template
    at_most "$took" 2000
    for action in off reboot; do
        fence 105 -o $action -n havm
        failed ha-managed "managed by Proxmox HA"
        at_most "$took" 2000
    done
    guest_alive 105
    is "$(sent stop 105)" 0
}

@test "got timeout on the guest's lock file: the stop is sent again" {
    both_start
    sim_ctl fault got-timeout guest=101 count=1
    fence 101 -o off -n vm101
    succeeded
    guest_dead 101
    is "$(sent stop 101)" 2
}

@test "a failed task is tried again, and its words are the reason when it never works" {
    both_start
    sim_ctl fault task-error call=stop guest=101 count=1 "text=QEMU is busy with something"
    fence 101 -o off -n vm101
    succeeded
    guest_dead 101
    sim_ctl fault task-error call=stop guest=102 "text=QEMU is busy with something"
    fence 102 -o off -n vm102
    failed deadline "QEMU is busy with something"
    guest_alive 102
}

# ---- lost answers (P3) ----

@test "P3: an answer lost after the stop was done: the state is read, and it is success" {
    both_start
    sim_ctl fault reply-lost-after call=stop
    sim_ctl fault reply-lost-after call=reset
    all_three_begin
    for name in off reboot cycle; do
        fence_end $name
        succeeded
        at_most "$took" 3000
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
        at_most "$took" 4000
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
    sim_ctl fault no-upid-500
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

# ---- the guest is somewhere else, or somebody else ----

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
    at_most "$took" 3000
    operation_is error.code node-offline 103
}

@test "a host that was cut off proves nothing: failed as minority, and the others' guests are fenced" {
    sim_start
    broker_configure fence.deadline=5s "proxmox.endpoint=$(sed -n 's/^pve1 //p' "$SIM/endpoints")"
    broker_spawn
    await 10 client -o monitor -q
    sim_ctl node pve1 cut
    fence 101 -o off -n vm101
    failed minority
    operation_is error.code minority
    # another endpoint knows better
    broker_configure fence.deadline=5s "proxmox.endpoint=$(sed -n 's/^pve2 //p' "$SIM/endpoints")"
    kill -HUP "$BROKER_PID"
    await 10 client -o monitor -q
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
    await 5 broker_said "reloaded"
    fence 102 -o off -n vm102
    succeeded
    guest_dead 102
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
    await 5 operation_ended 120
    guest_alive 120
    fence 120 -o reboot -n ct120 -m cycle
    succeeded
    await 5 operation_ended 120
    guest_alive 120
}

@test "a guest that is off already is proven off; reboot starts it, by both methods" {
    both_start
    for vmid in 101 102 103; do sim_ctl kill $vmid; sim_ctl wait $vmid stopped; done
    all_three_begin
    for name in off reboot cycle; do
        fence_end $name
        succeeded
        at_most "$took" 2000
    done
    guest_dead 101
    await 5 operation_ended 102
    await 5 operation_ended 103
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

@test "a power-on that fails is said, and does not take back the proven off" {
    both_start
    sim_ctl set 101 nostart=1
    fence 101 -o reboot -n vm101
    succeeded
    sim_ctl wait 101 stopped
    guest_dead 101
    await 10 operation_is power_on_error.code task-failed || await 70 operation_ended
}

@test "the last word is the deadline's: a QEMU that hangs fails in time" {
    both_start
    sim_ctl set 101 hung=1
    fence 101 -o off -n vm101
    at_most "$took" 7000
    [[ $status == 1 ]] || guest_dead 101
}
