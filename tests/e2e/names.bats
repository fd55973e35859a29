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

@test "a guest outside of the pool: not a word of it with the privileges that fencing needs, and the way in with more" {
    names_world
    sim_start
    broker_start proxmox.poll-interval=1s proxmox.least-privilege=warn
    nobody accounting "*unknown-plug*no guest is called accounting*"
    nobody 200 "*unknown-plug*no guest is called 200*"
    # somebody lets the broker see all
    printf '%s\n' 'role:Watcher:VM.Audit:' 'acl:1:/vms:fence@pve,fence@pve!broker:Watcher:' >>"$SIM/user.cfg"
    sim_ctl reload
    await 30 is_shown
    nobody Accounting "*unknown-plug*Accounting is guest 200 (accounting), which is not in the pool: it is never touched*pveum pool modify POOL --vms 200*"
    nobody 200 "*unknown-plug*not in the pool*"
    is "$(sent stop 200)" 0
    guest_alive 200
}
# ---- names that lead elsewhere than before ----

# told VMID REASON: the list says so
told() { [[ $(client targets | grep "^$1 ") == *$2* ]]; }
# pool_of VMIDS: the members of the pool
pool_of() {
    sed -i "s/^pool:nfs_cluster:.*/pool:nfs_cluster::$1::/" "$SIM/user.cfg"
    sim_ctl reload
}
# nobody_died: no guest of the three was stopped
nobody_died() {
    local vmid
    for vmid in 101 102 103; do
        is "$(sent stop "$vmid")" 0
        guest_alive "$vmid"
    done
}

@test "a guest that was renamed to carry another node's name is not powered off in its stead; a line of [nodes] says who is meant" {
    local said
    sim_start
    broker_start proxmox.poll-interval=1s
    means vm102 102
    sim_ctl set 102 name=web7
    await 30 means web7 102
    nobody vm102 '*unknown-plug*it was guest 102, which is called web7 now: if that one is meant, put "vm102 = 102" into \[nodes\]*'
    sim_ctl set 103 name=VM102
    await 30 told 103 'blocked*name-moved'
    told 102 'blocked*name-moved'
    told 101 'ready'
    fence 102 -o off -n vm102
    failed name-moved "*vm102 led to guest 102 before (now called web7), and guest 103 has the name now*vm102 = 102*"
    fence 103 -o reboot -n VM102
    failed name-moved
    nobody_died
    said=$(client doctor 2>&1) || is "$?" 1
    like "$said" "*paste: vm102 = 102*"
    # plain monitors go on; strict ones say it
    agent action=monitor
    not agent action=monitor strict=1 2>/dev/null
    like "$(agent action=monitor strict=1 2>&1 || true)" "*name-moved*guest 102*guest 103*"
    # after a restart it is known still
    broker_stop
    broker_spawn
    await 30 client -o monitor -q
    nobody vm102 "*name-moved*"
    # the administrator's word
    broker_reload proxmox.poll-interval=1s nodes.vm102=102
    await 30 means vm102 102
    told 103 ready
    fence 102 -o off -n vm102
    succeeded
    guest_dead 102
    guest_alive 103
}

@test "a rename while no broker ran is noticed, and a guest that left the pool sets its name free" {
    sim_start
    broker_start proxmox.poll-interval=1s
    await 30 grep -q vm103 "$STATE/names.jsonl"
    broker_stop
    sim_ctl set 102 name=vm103
    sim_ctl set 103 name=vm102
    broker_spawn
    await 30 client -o monitor -q
    nobody vm102 "*name-moved*guest 102*guest 103*"
    nobody vm103 "*name-moved*guest 103*guest 102*"
    fence 103 -o off -n 103
    succeeded
    guest_dead 103
    guest_alive 102
    pool_of 101,102,120
    await 30 means vm103 102
    # nothing to read: begun anew, and said
    broker_stop
    rm "$STATE/names.jsonl"
    mkdir "$STATE/names.jsonl"
    broker_spawn
    await 30 client -o monitor -q
    broker_said "names-not-kept"
    means vm101 101
}

@test "two guests with one name: blocked, and a strict monitor fails" {
    sim_start
    broker_start proxmox.poll-interval=1s
    agent action=monitor strict=1
    sim_ctl set 103 name=vm102
    await 30 told 102 'blocked*ambiguous-name'
    told 103 'blocked*ambiguous-name'
    not agent action=monitor strict=1 2>/dev/null
    like "$(ask GET '/v1/status?view=monitor&strict=1&nodes=vm101,vm102')" "*ambiguous-name*"
    ask GET '/v1/status?view=monitor&strict=1&nodes=vm101' -f
    fence 102 -o off -n vm102
    failed ambiguous-name
    nobody_died
    broker_reload proxmox.poll-interval=1s nodes.vm102=102
    await 30 told 102 'degraded*ambiguous-name'
    agent action=monitor strict=1
    fence 102 -o off -n vm102
    succeeded
    guest_dead 102
    guest_alive 103
}

@test "the short name of an alias, and two names of one guest" {
    local said
    sim_start
    broker_start nodes.cups01.domain.tld=102 nodes.node1=101 nodes.node2=vm101
    means cups01 102
    means node2 101
    broker_said "[nodes] has two names for guest 101, node1 and node2"
    said=$(client doctor) || is "$?" 2
    like "$said" "*two names for vm101 (101), node1 and node2*"
    broker_configure nodes.node1=101 nodes.node2=101 nodes.node1.domain.tld=101
    said=$("$BUILD/fence_brokerd" --check -c "$CONFIG")
    like "$said" "*warning: \[nodes\] has two names for guest 101, node1 and node2: *"
    is "$(grep -c warning: <<<"$said")" 1
}

@test "a pool below the configured one: the line that adds it, not one that moves the guest" {
    local said
    sim_users
    printf '%s\n' 'pool:nfs_cluster/sub::200::' >>"$SIM/user.cfg"
    sim_start
    broker_start proxmox.least-privilege=warn
    nobody stranger "*unknown-plug*guest 200 (stranger), which is in nfs_cluster/sub and not*pool = nfs_cluster/sub*"
    broker_stop
    sed -i 's/^pool:nfs_cluster::.*/pool:nfs_cluster::::/' "$SIM/user.cfg"
    sim_ctl reload
    broker_spawn
    said() { client doctor >"$T/doctor" 2>&1 || true; grep -qF "guest 200 is in nfs_cluster/sub" "$T/doctor"; }
    await 30 said
    grep -qxE ' *paste: pool = nfs_cluster/sub' "$T/doctor"
}

@test "nothing in a name of Proxmox's reaches a terminal, or adds a plug to the list" {
    local name='%1B[31mx%0A666,vm101%E2%80%AE%C2%9B' shown='?\[31mx?666,vm101*' words
    sim_start
    sim_ctl set 103 "name=$name"
    sim_ctl set 103 "tags=a%1Bb"
    broker_start proxmox.poll-interval=1s
    is "$(agent action=list | grep -c '^666')" 0
    like "$(agent action=list | grep ^103)" "103,__31mx_666_vm101*"
    for words in targets 'off 103 --dry-run' 'off 103' history 'on 103' 'targets --json' explain; do
        [[ $words != explain ]] || words="explain $(client history --json | grep -oE '"id":"[^"]*"' | head -n 1 | cut -d'"' -f4)"
        # shellcheck disable=SC2086
        client $words >"$T/said" 2>&1
        is "$(LC_ALL=C grep -cE $'\x1b|\xe2\x80\xae|\xc2\x9b' "$T/said")" 0
        grep -q '[?]\[31mx[?]666' "$T/said" || { echo "$words does not name it:"; cat "$T/said"; false; }
    done
    nobody "$(printf 'vm1\xe2\x80\xae')" "*no guest is called vm1[?][?][?]*"
}

is_shown() { [[ $(client off 200 --dry-run 2>&1) == *"not in the pool"* ]]; }

# ---- a pool below the configured one, which does not include it ----

# names_pool_below COMMAND…: its answer has the pool that is meant, and the line for it
names_pool_below() {
    local said
    said=$("$@" </dev/null 2>&1) || true
    like "$said" "*guest 101 is in prod/nfs, and prod does not include that*in \[proxmox\] of fence-broker.conf:*pool = prod/nfs*"
}

@test "pool = prod, and its guests are in prod/nfs: every screen says so, and with which line" {
    sim_users
    sed -i -e 's,^pool:nfs_cluster:,pool:prod/nfs:,' -e 's,/pool/nfs_cluster,/pool/prod/nfs,' "$SIM/user.cfg"
    printf '%s\n' 'pool:prod::::' 'acl:0:/pool/prod:fence@pve,fence@pve!broker:FenceBroker:' >>"$SIM/user.cfg"
    sim_start
    broker_configure proxmox.pool=prod proxmox.least-privilege=warn
    broker_spawn
    await 30 broker_said "0 guests in the pool"
    await 30 broker_said "all guests: ready -> blocked: empty-pool: the pool has no guest that the broker can see (guest 101 is in prod/nfs, and prod does not include that); in [proxmox] of fence-broker.conf: \`pool = prod/nfs\`"
    names_pool_below client status
    names_pool_below client targets
    names_pool_below client doctor
    names_pool_below client -o monitor
    names_pool_below "$BUILD/fence-broker-admin" doctor -c "$CONFIG"
    is "$(ask GET /v1/status | json reasons.0.cause)" "guest 101 is in prod/nfs, and prod does not include that"
    is "$(ask GET /v1/status | json reasons.0.hint)" "in [proxmox] of fence-broker.conf: \`pool = prod/nfs\`"
    for action in off reboot on; do
        fence 101 -o $action -n vm101
        failed unknown-plug "*guest 101 (vm101), which is in prod/nfs and not in a pool of the broker:*add \`pool = prod/nfs\`*"
    done
    guest_alive 101
    # the line is followed
    broker_reload proxmox.pool=prod/nfs proxmox.least-privilege=warn
    await 30 client -o monitor -q
    fence 101 -o off -n vm101
    succeeded
    guest_dead 101
    unlike "$(client targets)" "*empty-pool*"
}
