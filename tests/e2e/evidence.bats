#!/usr/bin/env bats
# What a proof of off rested on: `explain ID --evidence`, judged again by `fence-broker-admin verify`, which knows nothing but that file.
# shellcheck disable=SC2034,SC2154

bats_require_minimum_version 1.5.0

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
    SIM_ARGUMENTS=(--scale 0.1)
}
teardown() { fence_teardown; }

verify() { run "$BUILD/fence-broker-admin" verify "$@"; }
# evidence VMID FILE: of the guest's newest operation
evidence() { client explain "$(operation id "$1")" --evidence >"$2"; }

@test "the evidence of a fence proves it again on any machine, says what each point rests on, and outlives the broker" {
    sim_users
    sed -i 's/101,102,103,120/101,102,103,120,104/' "$SIM/user.cfg"
    sim_start "guest 104 qemu pve1 havm ha=started ha-ms=10000 running=1"
    broker_start fence.deadline=30s
    guest_note 104
    fence 101 -o off -n vm101
    succeeded
    fence 102 -o reboot -n vm102
    succeeded
    fence 104 -o off -n havm
    succeeded
    fence 120 -o off -n ct120
    succeeded
    for vmid in 101 102 104 120; do
        evidence "$vmid" "$T/$vmid.json"
        verify "$T/$vmid.json"
        is "$status" 0
        like "$output" "$(operation id "$vmid"): * of guest $vmid * requested 20*"
        like "$output" "*  point 1  holds    the status read from pve[12], * guest $vmid, stopped"$'\n'"*"
        like "$output" "*  point 5  holds    a list of the hosts * 3 of 3 are online, 2 are needed"$'\n'"off is proven"
    done
    verify - <"$T/104.json"
    like "$output" "*  point 6  holds    our request was taken by Proxmox HA at *"
    # P9, and nobody but the guest
    not grep -E "$TOKEN_SECRET|stranger|vm103" "$T"/1*.json

    broker_stop
    broker_spawn
    await 30 client -o monitor -q
    for vmid in 101 120; do
        evidence "$vmid" "$T/again"
        cmp "$T/$vmid.json" "$T/again"
    done
}

@test "evidence that was changed, that lacks something, or that is none, is told" {
    sim_start
    broker_start fence.deadline=5s
    fence 101 -o off -n vm101
    succeeded
    evidence 101 "$T/e"

    sed 's/"online":3/"online":1/' "$T/e" >"$T/changed"
    verify "$T/changed"
    is "$status" 2
    like "$output" "*  point 5  missing  too few hosts are online"$'\n'"*THE FILE WAS CHANGED*off is not proven by this file"
    sed 's/"uptime_s":0/"uptime_s":1/' "$T/e" >"$T/changed"
    verify "$T/changed"
    is "$status" 2
    like "$output" "*THE FILE WAS CHANGED*"
    sed 's/"vmid":101,"status"/"vmid":102,"status"/' "$T/e" >"$T/changed"
    verify "$T/changed"
    is "$status" 2
    like "$output" "*THE FILE CONTRADICTS ITSELF: the status is another guest's*"
    sed 's/"newest_request_after_ms":[0-9]*/"newest_request_after_ms":-1/' "$T/e" >"$T/changed"
    verify "$T/changed"
    is "$status" 2
    like "$output" "*THE FILE CONTRADICTS ITSELF: the newest request came before the first one*"
    # as proof_of() counts: from when the stops of HA may have begun, if that is later
    sed -E 's/"devices_seen":true/"devices_seen":false/; s/("stop_may_have_begun_after_ms":)[0-9]+/\1-600000/
        s/"ha_stops_began_after_ms":null/"ha_stops_began_after_ms":0/' "$T/e" >"$T/changed"
    verify "$T/changed"
    like "$output" "*  point 7  holds    it read stopped [0-9]* ms after the first stop that can have worked: too soon for a kill*"
    unlike "$output" "*stopped 60[0-9][0-9][0-9][0-9] ms*"

    sed 's/"newest_request_after_ms":[0-9]*/"newest_request_after_ms":null/' "$T/e" >"$T/incomplete"
    verify "$T/incomplete"
    is "$status" 1
    like "$output" "*is incomplete: 'newest_request_after_ms' is missing, *"
    sed 's/"host_online":true/"host":true/' "$T/e" >"$T/incomplete"
    verify "$T/incomplete"
    is "$status" 1
    like "$output" "fence-broker-admin: $T/incomplete is incomplete: 'host_online' is missing, *"
    head -c 300 "$T/e" >"$T/cut"
    verify "$T/cut"
    is "$status" 1
    like "$output" "fence-broker-admin: $T/cut is not the evidence of an operation; make it with: *"
    verify "$T/none"
    is "$status" 1
    like "$output" "*No such file*"

    fence 101 -o on -n vm101
    succeeded
    run --separate-stderr client explain "$(operation id)" --evidence
    is "$status" 1
    is "$output" ""
    like "$stderr" "fence_broker: explain *: there is no evidence of operation '*': it has not proven that the guest is off; *"
    run client targets --evidence
    is "$status" 1
    like "$output" "*--evidence works with explain, not with 'targets'*"
}
