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

# A service that is stopped: that it is off by a request of ours is told by the end of our own task, which is known by its UPID.
@test "HA: a guest that is dead already is proven off by users with such names" {
    sed -i 's/101,102,103,120/101,102,103,120,104,105/' "$SIM/user.cfg"
    printf '%s\n' 'user:svc_fence$@AD:1:0::::::' 'token:svc_fence$@AD!broker:0:1::' \
        'acl:1:/pool/nfs_cluster:svc_fence$@AD,svc_fence$@AD!broker:FenceBroker:' >>"$SIM/user.cfg"
    printf '%s\n' "svc_fence\$@AD $OPERATOR_PASSWORD" "svc_fence\$@AD!broker $TOKEN_SECRET" >>"$SIM/secrets"
    sim_start "guest 104 qemu pve1 havm ha=started ha-ms=1000" "guest 105 qemu pve2 havm2 ha=stopped ha-ms=1000"
    for name in 'svc_fence$@AD' hastings@pve 'dom\svc@pve'; do
        sim_ctl stats reset
        broker_start fence.deadline=60s "proxmox.token-id=$name!broker"
        fence_begin dead 104 -o off -n havm
        fence_begin stopped 105 -o off -n havm2
        fence_end dead
        succeeded
        fence_end stopped
        succeeded
        [[ $(sim_calls stop) == 2 ]] || { echo "$name: $(sim_calls stop) stops"; return 1; }
        for vmid in 104 105; do
            client explain "$(operation id $vmid)" >"$T/explained"
            grep -q 'stop sent to pve' "$T/explained" || { echo "$name:"; cat "$T/explained"; return 1; }
            not grep -q "names no task" "$T/explained"
        done
        broker_stop
        sim_ctl set 104 ha=started
    done
}

# Names in everything that is shown or kept: JSON that is JSON, and one line where there is one.
@test "screens, JSON, history and journal with a user of any name" {
    sim_start
    for name in "o'neill" 'a"b#c' 'dom\svc' $'m\xc3\xbcller'; do
        broker_start "proxmox.token-id=$name@pve!broker"
        fence 101 -o off -n vm101
        succeeded
        client status | grep -qF -- "$name@pve!broker"
        client permissions | grep -qF -- "$name@pve!broker"
        (client doctor || true) | grep -qF -- "$name@pve!broker"
        is "$(ask GET /v1/status | json session.identity)" "$name@pve!broker"
        is "$(ask GET /v1/permissions | json identity)" "$name@pve!broker"
        is "$(operation outcome)" "done"
        ask GET "/v1/operations/$(operation id)" | json transitions >"$T/transitions"
        is "$(client history -n 1 | wc -l)" 2
        broker_said "Proxmox accepts the token $name@pve!broker"
        broker_stop
        # the history is read again by the next one
        broker_start "proxmox.token-id=$name@pve!broker"
        is "$(operation outcome)" "done"
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
