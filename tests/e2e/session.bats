#!/usr/bin/env bats
# The Proxmox session and the way to it: user and password, tickets that expire, users that may not log in, endpoints that die.
# shellcheck disable=SC2034,SC2154

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
    SIM_ARGUMENTS=(--scale 0.1)
}
teardown() { fence_teardown; }

# the broker as a person with a password instead of a token
AS_USER=(proxmox.token-id= proxmox.user=operator@pve)
as_user() {
    (umask 077; printf '%s\n' "${1:-$OPERATOR_PASSWORD}" >"$T/secret")
    sim_start
    sim_ctl 401-delay 20
}
monitor_says() { client -o monitor 2>&1 | grep -qF -- "$1"; }
is_up() { [[ $(ask GET /v1/status | json "endpoints.$1.state") == up ]]; }
endpoint() { sed -n "s/^$1 //p" "$SIM/endpoints"; }

# ---- user and password ----

@test "a user with a password: one login, and fences with its ticket" {
    as_user
    broker_start fence.deadline=5s "${AS_USER[@]}"
    fence 101 -o off -n vm101
    succeeded
    guest_dead 101
    fence 102 -o reboot -n vm102
    succeeded
    is "$(sim_calls ticket)" 1
    is "$(ask GET /v1/status | json session.logins)" 1
}

@test "an expired ticket: one new login, and the fence goes through" {
    as_user
    broker_start fence.deadline=60s proxmox.poll-interval=10min "${AS_USER[@]}"
    sim_ctl fault tickets-expire
    fence 101 -o off -n vm101
    succeeded
    guest_dead 101
    is "$(sim_calls ticket)" 2
    # in the midst of a fence: the stop is done, its reads are refused
    sim_hold stop 102
    fence_begin two 102 -o off -n vm102
    sim_held 102
    sim_ctl fault tickets-expire
    sim_release 102
    fence_end two
    succeeded
    guest_dead 102
    is "$(sim_calls ticket)" 3
}

@test "the host's clock jumps two hours: the ticket is too old there, and a new login mends it" {
    as_user
    broker_start fence.deadline=5s proxmox.poll-interval=10min "${AS_USER[@]}"
    sim_ctl clock +7300
    fence 101 -o off -n vm101
    succeeded
    guest_dead 101
}

@test "the wrong password: said with its way out, asked for rarely, and right after a reload" {
    as_user not-the-password
    broker_configure fence.deadline=5s "${AS_USER[@]}"
    broker_spawn
    await 30 broker_said "login as operator@pve failed"
    fence 101 -o off -n vm101
    failed no-session "pveum user list"
    like "$err" "*operator@pve*"
    unlike "$err" "*not-the-password*"
    guest_alive 101
    await 30 monitor_says "authentication failure"
    at_most "$(sim_calls ticket)" 6 logins
    (umask 077; printf '%s\n' "$OPERATOR_PASSWORD" >"$T/secret")
    broker_reload
    await 30 client -o monitor -q
    next_fence_works 103
}

@test "a user with a second factor is refused with words that name the token as the way out" {
    sim_users
    echo "totp operator@pve JBSWY3DPEHPK3PXP" >>"$SIM/secrets"
    as_user
    broker_configure fence.deadline=5s "${AS_USER[@]}"
    broker_spawn
    await 30 broker_said "second factor"
    fence 101 -o off -n vm101
    failed no-session "use an API token"
    guest_alive 101
}

@test "a disabled user cannot log in, and can when it is enabled again" {
    sim_users
    sed -i 's/^user:operator@pve:1/user:operator@pve:0/' "$SIM/user.cfg"
    as_user
    broker_configure fence.deadline=5s "${AS_USER[@]}"
    broker_spawn
    await 30 broker_said "login as operator@pve failed"
    fence 101 -o off -n vm101
    failed no-session "disabled"
    sed -i 's/^user:operator@pve:0/user:operator@pve:1/' "$SIM/user.cfg"
    sim_ctl reload
    broker_reload
    await 30 client -o monitor -q
    next_fence_works 103
}

@test "a token whose user is disabled while the broker runs: monitor says so, and recovers by itself" {
    sim_start
    sim_ctl 401-delay 20
    broker_start fence.deadline=5s proxmox.poll-interval=1s
    sed -i 's/^user:fence@pve:1/user:fence@pve:0/' "$SIM/user.cfg"
    sim_ctl reload
    await 30 monitor_says no-session
    fence 101 -o off -n vm101
    failed no-session
    guest_alive 101
    sed -i 's/^user:fence@pve:0/user:fence@pve:1/' "$SIM/user.cfg"
    sim_ctl reload
    await 30 client -o monitor -q
    next_fence_works 103
}

@test "the power privilege is taken away: monitor says which one, and the fence fails at once" {
    sim_start
    broker_start fence.deadline=5s proxmox.poll-interval=1s
    sed -i 's/VM.PowerMgmt,//' "$SIM/user.cfg"
    sim_ctl reload
    fence 101 -o off -n vm101
    failed no-power-right VM.PowerMgmt
    within 2000
    guest_alive 101
}

@test "root@pam is refused as an identity" {
    sim_start
    broker_configure proxmox.token-id= proxmox.user=root@pam
    run "$BUILD/fence_brokerd" -c "$CONFIG"
    is "$status" 1
    like "$output" "*root@pam*"
    broker_configure proxmox.token-id='root@pam!broker'
    run "$BUILD/fence_brokerd" -c "$CONFIG"
    is "$status" 1
    like "$output" "*root@pam*"
}

# ---- endpoints ----

@test "an endpoint refuses, resets or falls silent: the next one carries the fence" {
    local vmid=101 name
    sim_start
    broker_start fence.deadline=10s proxmox.answer-timeout=1s proxmox.poll-interval=1s
    for name in refuse reset silent; do
        sim_ctl fault $name endpoint=pve1
        fence $vmid -o off -n vm$vmid
        succeeded
        guest_dead $vmid
        within 5000 "$name"
        sim_ctl clear
        vmid=$((vmid + 1))
        await 40 is_up 0
    done
}

@test "the endpoint dies in the middle of a fence: no second stop is needed, the other one is read" {
    sim_start
    broker_start fence.deadline=60s proxmox.answer-timeout=1s
    sim_hold stop 102
    fence_begin one 102 -o off -n vm102
    sim_held 102
    sim_ctl fault silent endpoint=pve1
    sim_release 102
    fence_end one
    succeeded
    guest_dead 102
}

@test "no endpoint answers: fences fail by their deadline, and work again by themselves" {
    sim_start
    broker_start fence.deadline=5s proxmox.answer-timeout=1s proxmox.poll-interval=1s
    sim_ctl fault refuse
    fence 101 -o off -n vm101
    [[ $status == 1 ]]
    within 7000
    guest_alive 101
    await 30 monitor_says "no-endpoint"
    sim_ctl clear
    await 40 client -o monitor -q
    next_fence_works 103
}

@test "the daemon starts before Proxmox can be reached: a request waits, and is done" {
    sim_start
    sim_ctl fault refuse
    broker_configure fence.deadline=20s
    broker_spawn
    fence_begin one 101 -o off -n vm101
    await 30 broker_said "Failed to connect"
    fence_goes_on one
    sim_ctl clear
    fence_end one
    succeeded
    guest_dead 101
}

@test "an answer that comes too late counts as lost, and is not taken for another call's" {
    sim_start
    broker_start fence.deadline=10s proxmox.answer-timeout=1s
    sim_ctl fault reply-late call=status guest=101 ms=1500 count=2
    sim_ctl fault reply-late call=stop guest=101 ms=1500 count=1
    fence 101 -o off -n vm101
    succeeded
    guest_dead 101
    next_fence_works 103
}
