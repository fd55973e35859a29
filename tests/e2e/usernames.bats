#!/usr/bin/env bats
# Users of Proxmox VE may be called almost anything: their tasks, tickets and privileges are theirs all the same.
# shellcheck disable=SC2034,SC2154

NAMES=('svc_fence$' "o'neill" 'a"b#c' 'dom\svc' hastings hastonith $'m\xc3\xbcller')

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
    SIM_ARGUMENTS=(--scale 0.1)
    sim_users
    for name in "${NAMES[@]}"; do
        printf '%s\n' "user:$name@pve:1:0::::::" "token:$name@pve!broker:0:1::" \
            "acl:1:/pool/nfs_cluster:$name@pve,$name@pve!broker:FenceBroker:" >>"$SIM/user.cfg"
        printf '%s\n' "$name@pve $OPERATOR_PASSWORD" "$name@pve!broker $TOKEN_SECRET" >>"$SIM/secrets"
    done
}
teardown() { fence_teardown; }

# every_name KEY=VALUE-with-NAME…: a broker for each of them, and one stop for one off, whose task is known by its name
every_name() {
    sim_start
    for name in "${NAMES[@]}"; do
        broker_start fence.deadline=5s "${@//NAME/$name}"
        sim_ctl stats reset
        fence 101 -o off -n vm101
        succeeded
        guest_dead 101
        [[ $(sim_calls stop) == 1 ]] || { echo "$name: $(sim_calls stop) stops"; return 1; }
        client explain "$(ask GET /v1/operations | json operations.0.id)" >"$T/explained"
        grep -q 'stop sent to pve1' "$T/explained" || { echo "$name:"; cat "$T/explained"; return 1; }
        client permissions >"$T/permissions"
        grep -qF -- "$name@pve" "$T/permissions" || { echo "$name:"; cat "$T/permissions"; return 1; }
        broker_stop
        sim_ctl start 101
        sim_ctl wait 101 running
        guest_note 101
    done
}

@test "a token of a user with any name stops once for one off" {
    every_name 'proxmox.token-id=NAME@pve!broker'
}

@test "a user with any name, and a password, stops once for one off" {
    (umask 077; printf '%s\n' "$OPERATOR_PASSWORD" >"$T/secret")
    every_name proxmox.token-id= 'proxmox.user=NAME@pve'
}
