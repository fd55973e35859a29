#!/usr/bin/env bats
# Faults at random, two a guest, on three guests at once: whatever comes together, an exit 0 is held against the guest's processes (P1), every
# fence ends by its deadline (P7), and when the faults are gone all is well again. SEED repeats a run, CHAOS_SECONDS makes it longer.
# shellcheck disable=SC2034,SC2154

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
    SIM_ARGUMENTS=(--scale 0.1)
}
teardown() { fence_teardown; }

# VMID is replaced; what begins with a "!" is a word for pvesim's control socket itself
FAULTS=(
    "undead guest=VMID" "undead guest=VMID ms=300" "undead guest=VMID ms=1200" "task-ok-but-running guest=VMID"
    "task-ok-but-running guest=VMID count=1" "stop-403 guest=VMID" "got-timeout guest=VMID count=1"
    "reply-lost-after call=stop guest=VMID count=1" "reply-lost-after call=reset guest=VMID" "reply-lost-after call=start guest=VMID count=1"
    "reply-lost-before call=stop guest=VMID count=2" "reply-lost-before call=reset guest=VMID" "reply-lost-before call=task guest=VMID count=2"
    "carried-out-late call=stop guest=VMID ms=600 count=1" "carried-out-late call=stop guest=VMID ms=2500 count=1"
    "no-upid-500 call=stop guest=VMID count=1" "http call=stop guest=VMID status=596 count=1" "http call=status guest=VMID status=595 count=3"
    "http call=status guest=VMID status=500 count=2" "task-error call=stop guest=VMID count=1 text=simulated"
    "task-error call=reset guest=VMID text=simulated" "garbage call=status guest=VMID count=3" "truncated call=status guest=VMID count=2"
    "garbage call=resources count=1" "truncated call=resources count=2" "wrong-guest call=status guest=VMID with=200 count=3"
    "reply-late call=status guest=VMID ms=900 count=2" "reply-late call=stop guest=VMID ms=900 count=1" "slow call=stop guest=VMID ms=500"
    "slow call=task guest=VMID ms=300" "silent endpoint=pve1 count=2" "reset endpoint=pve1 count=3" "reset endpoint=pve2 count=2"
    "!set VMID lock=backup" "!set VMID lock=migrate" "!set VMID lock=rollback" "!set VMID node=pve2" "!set VMID node=pve3"
    "!set VMID stop-ms=700" "!set VMID hung=1" "!set VMID deaf=1" "!set VMID nostart=1" "!set VMID nic=0" "!kill VMID" "!shutdown VMID"
)
ACTIONS=("-o off" "-o reboot" "-o reboot -m onoff" "-o reboot -m cycle")

one_of() { local -n words=$1; echo "${words[RANDOM % ${#words[@]}]}"; }

trouble() {
    local fault
    fault=$(one_of FAULTS)
    fault=${fault//VMID/$1}
    # Undead is what 14 s of SIGTERM and SIGKILL leave behind, and its network device shows it: at once, and without one, there is no such guest.
    [[ $fault == undead* ]] && grep -q "^$1: !set $1 nic=0" "$T/round" && return
    [[ $fault == *nic=0 ]] && grep -q "^$1: undead" "$T/round" && return
    printf '%s: %s\n' "$1" "$fault" >>"$T/round"
    # shellcheck disable=SC2086
    if [[ $fault == !* ]]; then sim_ctl ${fault#!} >/dev/null || true; else sim_ctl fault $fault; fi
}

# a healthy, running guest again, whatever was done to it; a task of the last round may hold its lock for a while
heal() {
    sim_ctl set "$1" lock= stop-ms=0 hung=0 deaf=0 nostart=0 nic=1
    await 30 stops "$1"
    await 200 starts "$1" # the stop of a hung QEMU takes Proxmox 71 s and holds the lock, and a second one may be waiting for it
}
# A reboot is answered when off is proven: its start, tried again until it works, may come between these two.
stops() {
    sim_ctl kill "$1" || true
    sim_ctl wait "$1" stopped 500
}
starts() {
    sim_ctl start "$1" >"$T/start" 2>&1 || true
    sim_ctl wait "$1" running 500
}

# told VMID: what there is to know about it when a round went wrong
told() {
    {
        cat "$T/round"
        sim_ctl guests
        operations "$1" | head -n 2
        ask GET "/v1/operations/$(operation id "$1")" | json transitions
        sim_ctl log | grep "/$1/" | tail -n 20
    } >&2 || true
}

@test "P1, P7: random faults: no false success, no fence beyond its deadline, and the daemon is well afterwards" {
    local seed=${SEED:-20261122} end vmid action rounds=0 done=0
    echo "SEED=$seed"
    RANDOM=$seed
    sim_start
    sim_ctl 401-delay 20
    broker_start fence.deadline=5s fence.lock-wait=1s proxmox.answer-timeout=500ms proxmox.poll-interval=1s
    end=$(($(now_ms) + ${CHAOS_SECONDS:-40} * 1000))
    while (($(now_ms) < end)); do
        rounds=$((rounds + 1))
        : >"$T/round"
        for vmid in 101 102 103; do
            trouble $vmid
            ((RANDOM % 2)) || trouble $vmid
            action=$(one_of ACTIONS)
            echo "$vmid: $action" >>"$T/round"
            # shellcheck disable=SC2086
            fence_begin $vmid $vmid $action -n $vmid
        done
        for vmid in 101 102 103; do
            fence_end $vmid || { told $vmid; return 1; }
            within 6500 || { told $vmid; return 1; }
            [[ $status == [01] ]] || { told $vmid; return 1; }
            [[ $status != 0 ]] || done=$((done + 1))
        done
        sim_ctl clear
        for vmid in 101 102 103; do heal $vmid || { told $vmid; cat "$T/start" >&2; return 1; }; done
    done
    echo "# SEED=$seed: $rounds rounds, $done of $((3 * rounds)) fences done" >&3
    at_least "$done" 1
    await 30 client -o monitor -q
    guest_alive 120
    fence 120 -o off -n ct120
    succeeded
    guest_dead 120
}
