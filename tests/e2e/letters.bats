#!/usr/bin/env bats
# Letters of all the world in what Proxmox and people write: nothing is refused for them, and they come out as they went in: at the
# socket, in the history before and after a restart, on the screens and in the metrics.
# shellcheck disable=SC2034,SC2154

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    export LC_ALL=C.UTF-8
    e2e_setup
    SIM_ARGUMENTS=(--scale 0.1)
}
teardown() { fence_teardown; }

TAGS='grün;节点;🔌' NAME='Knoten-für-节点-🔌'

letters_start() {
    sim_users
    sim_guests
    sed -i "s/^pool:nfs_cluster::/pool:nfs_cluster:Knoten für NFS, 节点 🔌:/" "$SIM/user.cfg"
    sed -i "s/^guest 101 qemu pve1 vm101 .*/& tags=$TAGS/; s/^guest 102 qemu pve2 vm102/guest 102 qemu pve2 $NAME/" "$SIM/cluster.conf"
    sim_start
    broker_start fence.deadline=5s proxmox.poll-interval=1s
}

@test "a pool's comment, tags and names with umlauts, CJK and emoji: fences work, before and after a restart, and all show them" {
    letters_start
    fence 101 -o off -n vm101
    succeeded
    fence 102 -o reboot -n "$NAME"
    succeeded
    for start in first second; do
        is "$(ask GET /v1/guests/101 | json tags)" "$TAGS"
        is "$(ask GET /v1/guests/102 | json name)" "$NAME"
        is "$(operation guest 102)" "$NAME"
        client targets >"$T/screen"
        grep -qF -- "$NAME" "$T/screen"
        client history >"$T/screen"
        grep -qF -- "$NAME" "$T/screen"
        client explain "$(operation id 102)" >"$T/screen"
        grep -qF -- "$NAME" "$T/screen"
        client metrics >"$T/screen"         # a guest is its VMID there
        grep -qE '^fence_broker_target_ready\{target="102"' "$T/screen"
        [[ $start == second ]] || { broker_stop; broker_spawn; await 30 client -o monitor -q; }
    done
    refute grep -F unreadable "$T/broker.log.err"
    next_fence_works 103
}

@test "the same written with escapes, half a surrogate pair and a counter beyond 64 bits is an answer of Proxmox's" {
    sim_start
    broker_start fence.deadline=5s proxmox.poll-interval=1s
    # one answer to two questions: the hosts', and the guests'
    text='{"data":[{"type":"node","node":"pve1","status":"online"},{"vmid":101,"name":"gr\u00fcn-\ud83d\udd0c","type":"qemu","node":"pve1","status":"running","pool":"nfs_cluster"'
    sim_ctl fault garbage call=resources "text=$text"',"tags":"\ud83d","diskwrite":99999999999999999999}]}'
    await 30 name_is 101 'grün-🔌'
    sim_ctl clear
    await 30 name_is 101 vm101
    next_fence_works 103
}
name_is() { [[ $(ask GET "/v1/guests/$1" | json name) == "$2" ]]; }
