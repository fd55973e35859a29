#!/usr/bin/env bats
# Guests of Proxmox HA: requests go to a manager that acts later, by its own rules (rule 5). pvesim's manager drops requests, ruins services
# and recovers them as the real one does; every exit 0 is held against the processes of the guest (fence.bash).
# shellcheck disable=SC2034,SC2154

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
    SIM_ARGUMENTS=(--scale 0.1)
}
teardown() { fence_teardown; }

# ha_start [SECTION.KEY=VALUE [WORDS]]: 104 is managed and runs on pve1; WORDS are more of its line in cluster.conf
ha_start() {
    sim_users
    sed -i 's/101,102,103,120/101,102,103,120,104/' "$SIM/user.cfg"
    sim_start "guest 104 qemu pve1 havm ${2:-ha=started ha-ms=10000 running=1}"
    broker_start fence.deadline=30s ${1:+"$1"}
    guest_note 104
}
ha_state() { sim_ctl guests | sed -nE 's/^104 .* ha=([a-z_]*).*/\1/p'; }
targets_say() { client targets | grep -q "$1"; }
ha_state_is() { [[ $(ha_state) == "$1" ]]; }

@test "HA: off succeeds when the manager has stopped the guest, not when its task says OK" {
    ha_start
    sim_hold stop 104                              # the manager's own
    fence_begin off 104 -o off -n havm
    await 30 operation_says "stop: task OK" 104
    sim_held 104
    guest_alive 104
    fence_goes_on off
    sim_release 104
    fence_end off
    succeeded
    guest_dead 104
    is "$(sent stop 104)" 1
    operation_is outcome done 104
}

@test "HA: the manager keeps it off" {
    ha_start
    fence 104 -o off -n havm
    succeeded
    guest_dead 104
    sim_ctl wait 104 stopped 3000
    await 30 ha_state_is stopped
    guest_dead 104
}

@test "HA: reboot is answered at off; the guest is started once its service is stopped" {
    ha_start
    fence 104 -o reboot -n havm
    succeeded
    await 30 operation_ended 104
    guest_alive 104
    operation_is power_on done 104
    is "$(sent start 104)" 1
    await 30 ha_state_is started
}

@test "HA: cycle powers off and on, no reset is sent" {
    ha_start
    fence_begin cycle 104 -o reboot -n havm -m cycle
    fence_end cycle
    succeeded
    is "$(sent reset 104)" 0
    is "$(sent stop 104)" 1
}

@test "HA: off of a service that is stopped already" {
    ha_start "" "ha=stopped ha-ms=1000"
    fence 104 -o off -n havm
    succeeded
    at_least "$took" 14000 # a hastart of before us would have shown by then
    is "$(sent stop 104)" 1
}

@test "HA: a service in error, frozen or without a manager fails at once, and nothing is sent" {
    local state code
    ha_start
    for state in error freeze unserved; do
        case $state in error) code=ha-error ;; freeze) code=ha-frozen ;; *) code=ha-unserved ;; esac
        sim_ctl set 104 ha=$state
        for action in off reboot; do
            fence 104 -o $action -n havm
            failed $code
            within 2000
        done
    done
    is "$(sent stop 104)" 0
    guest_alive 104
}

@test "HA: a locked guest is not asked to stop: that would put its service into error for good" {
    ha_start fence.lock-wait=1s
    sim_ctl set 104 lock=backup
    fence 104 -o off -n havm
    failed locked
    is "$(sent stop 104)" 0
    ha_state_is started
    guest_alive 104
    sim_ctl set 104 lock=
    fence 104 -o off -n havm
    succeeded
    guest_dead 104
}

@test "HA: a stop that fails puts the service into error, and the fence says so" {
    ha_start
    sim_hold hastop 104
    fence_begin off 104 -o off -n havm
    sim_held 104
    sim_ctl set 104 lock=backup
    sim_release 104
    fence_end off
    failed ha-error
    guest_alive 104
}

@test "HA: a request that was dropped is sent again" {
    ha_start
    sim_hold hastop 104
    fence_begin off 104 -o off -n havm
    sim_held 104
    sim_ctl set 104 ha=migrate
    sim_release 104
    await 30 operation_says "waiting for the HA manager" 104
    sim_ctl set 104 ha=started
    fence_end off
    succeeded
    guest_dead 104
    is "$(sent stop 104)" 2
}

@test "HA: a hastop whose answer is lost is sent again after a read" {
    ha_start proxmox.answer-timeout=1s
    sim_ctl fault reply-lost-after call=stop guest=104 count=1
    fence 104 -o off -n havm
    succeeded
    guest_dead 104
}

@test "HA: a guest whose host dies is followed to where HA brings it up, and stopped there" {
    ha_start
    sim_hold hastop 104
    fence_begin off 104 -o off -n havm
    sim_held 104
    sim_ctl node pve1 dead
    sim_release 104
    fence_end off
    succeeded
    guest_dead 104
    is "$(operation node 104)" pve2
    at_least "$took" 10000
}

@test "HA: targets and dry-run say what a fence would meet" {
    ha_start proxmox.poll-interval=1s
    targets_say "degraded .*ha-managed"
    sim_ctl set 104 ha=error
    await 30 targets_say "blocked .*ha-error"
    fence 104 off havm --dry-run
    failed ha-error
    is "$(sent stop 104)" 0
}
