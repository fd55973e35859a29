#!/usr/bin/env bats
# Who a plug means, asked for by the agent: alias, VMID, name, short name, in this order; what is ambiguous, and what is outside of the pool.
# shellcheck disable=SC2034,SC2154

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
}
teardown() { fence_teardown; }

# names: guests whose names are worth a test, all in the pool but 200
names_world() {
    sim_guests
    sed -i -e '/^guest /d' "$SIM/cluster.conf"
    printf '%s\n' 'guest 101 qemu pve1 web1.example.com running=1' 'guest 102 qemu pve2 Web2 running=1' \
        'guest 103 qemu pve3 twin running=1' 'guest 104 qemu pve1 twin running=1' 'guest 105 qemu pve1 104 running=1' \
        'guest 106 qemu pve1 db.a running=1' 'guest 107 qemu pve1 db.b running=1' \
        'guest 200 qemu pve1 accounting running=1' >>"$SIM/cluster.conf"
    sim_users
    sed -i 's/101,102,103,120/101,102,103,104,105,106,107/' "$SIM/user.cfg"
}
# means PLUG VMID: a dry run of off would power this guest
means() {
    local said
    said=$(client off "$1" --dry-run) || return 1
    [[ $said == *"($2)"* || $said == *"guest $2"* || $said == *" $2"* ]] || { printf '%s means: %s\n' "$1" "$said" >&2; return 1; }
}
# nobody PLUG GLOB: it fails with words like these
nobody() {
    local said
    not client off "$1" --dry-run 2>/dev/null
    said=$(client off "$1" --dry-run 2>&1) || true
    like "$said" "$2"
}

@test "alias before VMID before name before short name, whatever the case; digits are never a name" {
    names_world
    sim_start
    broker_start nodes.web2=101 nodes.node9=106
    means web2 101
    means WEB2 101
    means 102 102
    means web1.example.com 101
    means WEB1 101
    means node9 106
    means 104 104
    means 105 105
    nobody twin "*ambiguous-name*2 guests are called twin: twin (103), twin (104)*VMID*"
    nobody db "*ambiguous-name*2 guests are called db: db.a (106), db.b (107)*"
    nobody 0101 "*unknown-plug*no guest is called 0101*"
    nobody web1.example.org "*unknown-plug*if guest 101 is meant*"
}

@test "a guest outside of the pool: not a word of it with the privileges that fencing takes, and the way in with more" {
    names_world
    sim_start
    broker_start proxmox.poll-interval=1s proxmox.least-privilege=warn
    nobody accounting "*unknown-plug*no guest is called accounting*"
    nobody 200 "*unknown-plug*no guest is called 200*"
    # somebody lets the broker see all
    printf '%s\n' 'role:Watcher:VM.Audit:' 'acl:1:/vms:fence@pve,fence@pve!broker:Watcher:' >>"$SIM/user.cfg"
    sim_ctl reload
    await 10 is_shown
    nobody Accounting "*unknown-plug*Accounting is guest 200 (accounting), which is not in the pool: it is never touched*pveum pool modify POOL --vms 200*"
    nobody 200 "*unknown-plug*not in the pool*"
    is "$(sent stop 200)" 0
    guest_alive 200
}
is_shown() { [[ $(client off 200 --dry-run 2>&1) == *"not in the pool"* ]]; }
