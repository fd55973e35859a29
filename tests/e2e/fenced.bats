#!/usr/bin/env bats
# Pacemaker's own fencer with the agent, a broker and guests: everything is real but Proxmox. After each step the guest's own processes are
# looked at, nobody's word.

load lib
load fenced-lib

setup() {
    fenced_possible
    e2e_setup
    sim_start
    broker_start
    fenced_start
}
teardown() {
    fenced_teardown
    e2e_teardown
}

@test "the fencer discovers the agent among those installed" {
    stonith --list-installed
    succeeds
    grep -qE '(^|[^[:alnum:]_])fence_broker$' <<<"$out"
}

@test "the fencer gets the agent's metadata, without a broker too" {
    broker_stop
    stonith --metadata --agent fence_broker
    succeeds
    [[ $out == *'<resource-agent name="fence_broker"'* && $out == *'<action name="off"'* && $out == *'name="plug"'* ]]
}

@test "Pacemaker's controller gets the metadata as hacluster, which may do nothing here" {
    chmod 700 "$T/run"
    echo action=metadata | in_node setpriv --reuid hacluster --regid haclient --clear-groups /usr/sbin/fence_broker >"$T/metadata"
    grep -q '<resource-agent name="fence_broker"' "$T/metadata"
}

@test "the fencer validates the agent's parameters, and has a bad one refused" {
    stonith --validate --agent fence_broker --option method=onoff
    succeeds
    stonith --validate --agent fence_broker --option power_timeout=soon
    fails
}

@test "a device without any parameter fences every guest of the pool by name and VMID, and no other" {
    register broker
    local name
    for name in vm101 101 vm102 102 vm103 103 ct120 120; do
        [[ $(devices_for "$name") == broker ]]
    done
    [[ -z $(devices_for stranger) && -z $(devices_for 200) ]]
}

@test "list: the fencer knows the targets, aliases too" {
    broker_stop
    broker_start nodes.node1=101
    register broker
    stonith --list-targets broker
    succeeds
    grep -qw vm101 <<<"$out"
    grep -qw node1 <<<"$out"
    not grep -qw stranger <<<"$out"
}

@test "pcmk_host_map: a node is fenced by its own name" {
    register mapped "pcmk_host_map=alpha:101;beta:102"
    [[ $(devices_for alpha) == mapped && -z $(devices_for vm103) ]]
    guest_alive 101
    stonith --fence alpha --timeout 20
    succeeds
    guest_dead 101
    guest_alive 102
}

@test "monitor succeeds while the broker could fence, and fails with the reason when no endpoint answers" {
    broker_stop
    broker_start proxmox.poll-interval=1s
    register broker
    stonith --query broker
    succeeds
    not fencer_said "Operation 'monitor'"
    sim_stop
    await 30 monitor_fails
    # its exit status is that of a list, which it asks for when monitor has failed; the fencer's word is in the log
    stonith --query broker
    fencer_said "stderr: [ fence_broker: monitor: no-endpoint"
    grep -q "Operation 'monitor' .* using broker returned 1" "$T/node/fenced.log"
}
monitor_fails() { ! client -o monitor >/dev/null; }

@test "status check: the fencer asks for the guest's state before it takes the device for able" {
    register checked pcmk_host_check=status
    [[ $(devices_for vm101) == checked ]]
    guest_alive 101
    sim_ctl stop 101
    sim_ctl wait 101 stopped 5000
    [[ $(devices_for vm101) == checked ]]
    [[ -z $(devices_for stranger) ]]
}

@test "off: when the fencer says so the guest is dead, and only that one" {
    register broker
    guest_alive 101
    stonith --fence vm101 --timeout 20
    succeeds
    guest_dead 101
    guest_alive 102
    guest_alive 200
}

@test "off of a guest that is off succeeds, and leaves it off" {
    register broker
    stonith --fence vm101 --timeout 20
    succeeds
    stonith --fence vm101 --timeout 20
    succeeds
    guest_dead 101
}

@test "off of a container" {
    register broker
    guest_alive 120
    stonith --fence ct120 --timeout 20
    succeeds
    guest_dead 120
}

@test "on: the guest lives again" {
    register broker
    stonith --fence vm101 --timeout 20
    succeeds
    guest_dead 101
    stonith --unfence vm101 --timeout 20
    succeeds
    guest_alive 101
}

@test "reboot: when the fencer says so the old guest is dead, and a new one comes up by itself" {
    local before
    register broker
    guest_alive 101
    before=$(guest_processes 101)
    stonith --reboot vm101 --timeout 20
    succeeds
    processes_gone "$before"
    sim_ctl wait 101 running 10000
    guest_alive 101
}
processes_gone() {
    local pid
    for pid in $1; do
        has_ended "$pid" || { printf 'process %d of the old guest lives\n' "$pid" >&2; return 1; }
    done
}

@test "reboot with method=cycle: a new guest operating system in the same guest" {
    local before
    register broker method=cycle
    guest_alive 101
    before=$(guest_processes 101 | tail -n +2)
    stonith --reboot vm101 --timeout 20
    succeeds
    [[ -n $before ]]
    processes_gone "$before"
    guest_alive 101
}

@test "an undead guest: the fencer gets no success while one process of it lives" {
    register broker pcmk_off_retries=1 pcmk_off_timeout=30s
    sim_ctl fault undead guest=101 ms=4000
    guest_alive 101
    stonith --fence vm101 --timeout 30
    succeeds
    guest_dead 101
}

@test "an unknown node cannot be fenced, and nothing happens to anyone" {
    register broker
    stonith --fence nobody --timeout 10
    fails
    register mapped "pcmk_host_map=ghost:999;stray:200" pcmk_off_retries=1
    stonith --fence ghost --timeout 10
    fails
    fencer_said 'unknown-plug'
    stonith --fence stray --timeout 10
    fails
    local guest
    for guest in 101 102 103 120 200; do
        guest_alive "$guest"
    done
}

@test "no broker: the fence fails with cause and way out in the fencer's log, and succeeds once it is there" {
    register mapped pcmk_host_map=alpha:101 pcmk_off_retries=1
    broker_stop
    stonith --fence alpha --timeout 15
    fails
    fencer_said 'stderr: [ fence_broker: off 101'
    fencer_said 'systemctl start fence-broker'
    guest_alive 101
    broker_spawn
    stonith --fence alpha --timeout 20
    succeeds
    guest_dead 101
}

@test "an agent killed by the fencer's time-out: the fence goes on to its end and is recorded" {
    register broker pcmk_off_timeout=2s pcmk_off_retries=1
    sim_hold stop 101
    guest_alive 101
    stonith --fence vm101 --timeout 20
    fails
    [[ -z $(agents_in_node) ]]
    [[ -n $(guest_processes 101) ]]
    sim_held 101
    sim_release 101
    await 30 guest_is_gone 101
    guest_dead 101
    await 30 last_operation_is 'done'
    [[ $(sim_calls stop) == 1 ]]
}
guest_is_gone() { [[ -z $(guest_processes "$1") ]]; }
last_operation_is() { [[ $(ask GET /v1/operations | sed -nE '0,/"outcome"/s/.*"outcome":[[:space:]]*"([a-z]+)".*/\1/p' | head -n 1) == "$1" ]]; }

@test "a broker that is killed during a fence and started again: the agent asks again, and the fencer gets its success" {
    local fence code=0
    register broker pcmk_off_retries=1
    sim_hold stop 101
    guest_alive 101
    in_node stonith_admin --fence vm101 --timeout 30 >"$T/fence" 2>&1 3>&- &
    fence=$!
    sim_held 101
    broker_kill
    [[ -n $(guest_processes 101) ]]
    broker_spawn
    sim_release 101
    wait "$fence" || code=$?
    [[ $code == 0 ]]
    guest_dead 101
}
@test "the fencer finds nothing to warn about in the agent" {
    register broker
    stonith --fence vm101 --timeout 20
    succeeds
    stonith --unfence vm101 --timeout 20
    succeeds
    [[ -z $(grep -E '(warning|error): .*fence_broker|fence_broker.*(warning|error)' "$T/node/fenced.log" || true) ]]
}

@test "the doctor finds the broker's evidence of a fence in Pacemaker's own history" {
    broker_stop
    remember_an_hour # that far back it can tell what is missing
    broker_start
    in_node cibadmin --create --scope nodes --xml-text '<node id="2" uname="vm101"/>'
    in_node cibadmin --create --scope resources --xml-text '<primitive id="broker" class="stonith" type="fence_broker"/>'
    register broker
    stonith --reboot vm101
    succeeds
    in_node "$BUILD/fence-broker-admin" doctor -s "$SOCKET" >"$T/doctor" 2>&1 || true
    grep "ok       of Pacemaker's fences that ran on this node since 20.*Z the broker has evidence of 1$" "$T/doctor" || { cat "$T/doctor"; false; }
}
