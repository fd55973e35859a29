#!/usr/bin/env bats
# P10: each reason of the table has a scenario that brings it about; it is seen in targets, doctor, /v1, metrics and STATUS alike, within the
# time that is stated for it, and is gone after the mend. No reason is left out.
# shellcheck disable=SC2034,SC2154

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
    NODE=$(uname -n) OWN=11111111-2222-3333-4444-555555555555
    mkdir "$T/credentials" "$T/now"
    echo "$OWN" >"$T/credentials/product-uuid"
    WORDS=() TARGETS=() DOS=() MENDS=() DOCTORS=()
}
teardown() { fence_teardown; }

# ---- a world with a guest for each trouble ----

world_users() {
    sim_users
    sed -i "s/^pool:nfs_cluster::.*/pool:nfs_cluster::101,102,103,104,105,106,120::/" "$SIM/user.cfg"
    cp "$SIM/user.cfg" "$T/user.cfg" && cp "$SIM/secrets" "$T/secrets"
}

world_start() {
    world_users
    cat >"$SIM/cluster.conf" <<-END
	version 9.2.11
	node pve1
	node pve2
	node pve3
	node pve4
	node pve5
	node pve6
	node pve7
	listen pve1 127.0.0.1:0
	listen pve2 127.0.0.1:0
	guest 101 qemu pve1 vm101 running=1 uuid=$OWN
	guest 102 qemu pve2 vm102 running=1
	guest 103 qemu pve3 vm103 running=1
	guest 104 qemu pve3 vm104 running=1
	guest 105 qemu pve1 vm105 running=1
	guest 106 qemu pve4 vm106 running=1
	guest 120 lxc pve2 ct120 running=1
	END
    sim_start
}

# world_broker [SECTION.KEY=VALUE…]: with the quickest intervals; what it tells systemd goes to T/notified
world_broker() {
    export NOTIFY_SOCKET=$T/notify
    rm -f "$NOTIFY_SOCKET"
    spawn "$T/notified" perl -MIO::Socket::UNIX -e '
        my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $ARGV[0]) or die; $| = 1;
        while (defined $s->recv(my $m, 8192)) { $m =~ tr/\n/ /; print "$m\n" }' "$NOTIFY_SOCKET"
    await 30 test -S "$NOTIFY_SOCKET"
    BROKER_COMMAND=(env CREDENTIALS_DIRECTORY="$T/credentials" "$BUILD/fence_brokerd")
    broker_configure proxmox.poll-interval=1s proxmox.check-interval=1s proxmox.rehearse-interval=1s \
        nodes."$NODE"=101 state.directory="$STATE" "$@"
    broker_spawn
    unset NOTIFY_SOCKET
}

# ---- looking ----

# everything that the broker shows, as it is now: files in T/now; reasons has lines "VMID|all WORD VERDICT COUNT UNIT"
look() {
    ask GET /v1/status >"$T/now/status"
    timeout 30 "$BUILD/fence_broker" targets --socket "$SOCKET" >"$T/now/targets" 2>&1 </dev/null || true
    ask GET /v1/doctor -H Accept:text/plain >"$T/now/doctor"
    curl -sS --max-time 30 --unix-socket "$METRICS" http://localhost/metrics >"$T/now/metrics"
    grep -a STATUS= "$T/notified" | tail -n 1 | sed 's/; last fence [^;]*//' >"$T/now/STATUS" || true # which has its own code
    if [[ -z ${WITHOUT_GUESTS:-} ]]; then ask GET /v1/guests; else echo '{}'; fi >"$T/now/guests"
    sim_ctl log | tail -n "+$LOG_FROM" >"$T/log"
    perl -MJSON::PP -0777 -e '
        my ($status, $guests) = map { JSON::PP->new->utf8->decode($_) } <>;
        my $tell = sub { my ($who, $list) = @_; printf "%s %s %s %s\n", $who, @$_{qw(reason severity seen_within)} for @$list };
        $tell->("all", $status->{reasons});
        $tell->($_->{vmid}, $_->{reasons}) for @{$guests->{guests} || []}' \
        "$T/now/status" "$T/now/guests" >"$T/now/reasons"
}

# shows INDEX PLACE: does this place show the row?
shows() {
    local word=${WORDS[$1]%/*} verdict=${WORDS[$1]#*/} target=${TARGETS[$1]}
    case $2 in
    json) grep -q "^$target $word $verdict " "$T/now/reasons" ;;
    metrics)
        grep -qE "^fence_broker_reasons\{reason=\"$word\",verdict=\"$verdict\"\} [1-9]" "$T/now/metrics" &&
            { [[ $target == all ]] ||
                grep -qF "fence_broker_target_${verdict}_reason{target=\"$target\",reason=\"$word\"} 1" "$T/now/metrics"; }
        ;;
    targets)
        if [[ $target != all ]]; then
            grep -E "^$target " "$T/now/targets" | grep -qE "[ ,]$word(,|\$)"
        elif grep -qE '^[0-9]+ +[^ ]+ ' "$T/now/targets" && ! grep -qE '^0 guests' "$T/now/targets"; then
            grep -qE "[ ,]$word(,|\$)" "$T/now/targets"
        else
            [[ $word == empty-pool ]] && grep -qE '^0 guests' "$T/now/targets" ||
                { [[ $word == no-inventory ]] && grep -q 'not known' "$T/now/targets"; }
        fi
        ;;
    STATUS)
        if [[ $word/$verdict == no-inventory/* || $word/$verdict == excess-privileges/blocked ]]; then
            grep -q 'not ready: ' "$T/now/STATUS"
        else
            grep -qE "(\(|, |: |; )$word[,):]" "$T/now/STATUS"
        fi
        ;;
    doctor) [[ $(<"$T/now/doctor") == *"${DOCTORS[$1]}"* ]] ;;
    esac
}
places=(json metrics targets STATUS doctor)

seen_in_all() {
    local place
    for place in "${places[@]}"; do shows "$1" "$place" || { MISSING+="${WORDS[$1]} of ${TARGETS[$1]} in $place; "; return 1; }; done
}
gone_from_all() {
    local place
    for place in "${places[@]}"; do
        if shows "$1" "$place"; then MISSING+="${WORDS[$1]} of ${TARGETS[$1]} is still in $place; " && return 1; fi
    done
}

# until_all FUNCTION: of all rows, looking now and then; 60 s for slow machines, the stated times are counted in calls
until_all() {
    local end=$((SECONDS + 60)) row pending=("${!WORDS[@]}") left
    while :; do
        look
        MISSING='' left=()
        for row in "${pending[@]}"; do
            if "$1" "$row"; then [[ $1 != seen_in_all ]] || in_time "$row"; else left+=("$row"); fi
        done
        ((${#left[@]})) || return 0
        pending=("${left[@]}")
        ((SECONDS < end)) || break
        sleep 0.2
    done
    printf '%s\n' "$MISSING" >&2
    cat "$T/now/reasons" "$T/now/targets" "$T/now/STATUS" "$T/now/doctor" >&2
    return 1
}

# in_time ROW: polls, checks or rehearsals since the change, by Proxmox's own count, against what is stated; a look takes time, and what was
# under way does not count, hence three more; what fails is asked for at two endpoints
in_time() {
    local count unit rest calls=0 target=${TARGETS[$1]}
    read -r count unit rest < <(sed -nE "s/^$target ${WORDS[$1]%/*} ${WORDS[$1]#*/} //p" "$T/now/reasons")
    case $unit in
    poll*) calls=$(grep -c 'resources?type=node' "$T/log" || true) ;;
    check*) calls=$(grep -cE "GET /nodes/[^ ]*/$target/status/current" "$T/log" || true) ;;
    rehearsal*) calls=$(grep -cE "POST /nodes/[^ ]*/$target/status/stop" "$T/log" || true) ;;
    at | once | min) return 0 ;;
    *) printf 'no time is stated for %s: %s\n' "${WORDS[$1]}" "$count $unit $rest" >&2; return 1 ;;
    esac
    [[ $unit == poll* ]] || calls=$((calls / 2))
    at_most "$calls" $((count + 3)) "${WORDS[$1]}: $unit"
}

# ---- scenarios ----

# row WORD/VERDICT VMID|all WHAT-TO-DO MEND [DOCTOR'S WORDS]
row() {
    WORDS+=("$1") TARGETS+=("$2") DOS+=("$3") MENDS+=("$4")
    DOCTORS+=("${5:-($2): ${1%/*}: }")
    printf '%s\n' "$1" >>"$T/scenarios"
}

# play: the rows given since the last time, at the same time: all seen, then all gone
play() {
    local row
    LOG_FROM=$(($(sim_ctl log | wc -l) + 1))
    for row in "${!WORDS[@]}"; do eval "${DOS[$row]}"; done
    until_all seen_in_all
    for row in "${!WORDS[@]}"; do eval "${MENDS[$row]}"; done
    until_all gone_from_all
    WORDS=() TARGETS=() DOS=() MENDS=() DOCTORS=()
}

users() { printf '%s\n' "$@" >>"$SIM/user.cfg"; }
users_again() { cp "$T/user.cfg" "$SIM/user.cfg"; }
reload_all() { broker_reload; }
# elsewhere CALL VMID: the answer of a host that the guest has left
elsewhere() { sim_ctl fault http status=500 call="$1" guest="$2" reason="Configuration file 'nodes/x/qemu-server/$2.conf' does not exist"; }

certificate() { sim_ctl certificate "$@" >/dev/null; }
# the second half of the hosts, which have no endpoint
hosts() { local node; for node in pve4 pve5 pve6 pve7; do sim_ctl node "$node" "$1"; done; }
# the same with another daemon
broker_again() {
    broker_stop
    NOTIFY_SOCKET=$T/notify broker_spawn
}

# left_in_doubt VMID: off, by a fence that failed: its stop took so long that Proxmox may have killed it, and it had no network device then
left_in_doubt() {
    sim_ctl set "$1" nic=0 stop-ms=10500
    refute client off "vm$1" 2>"$T/in-doubt"
    grep -q 'unproven: .* no network device' "$T/in-doubt"
    sim_ctl set "$1" nic=1 stop-ms=0
}

# survived_its_stop VMID: its task says OK and its status stopped, and a process of it lives on
survived_its_stop() {
    sim_ctl fault undead guest="$1" count=1 >/dev/null
    sim_ctl stop "$1" >/dev/null
}

# The caveat that each guest has while the broker does not ask Proxmox HA: it is told, and is no trouble anywhere.
host_unwatched_is_told() {
    look
    grep -q '"caveats":\[{"reason":"host-unwatched","severity":"ready"' "$T/now/guests"
    refute grep -q host-unwatched "$T/now/reasons" "$T/now/targets" "$T/now/STATUS"
    grep -qE '^fence_broker_reasons\{reason="host-unwatched",verdict="ready"\} 7$' "$T/now/metrics"
    grep -q 'ok .*vm101, vm102, vm103 and 4 more: host-unwatched: ' "$T/now/doctor"
    printf 'host-unwatched/ready\n' >>"$T/scenarios"
}

# what the daemon's table has, by the metrics, and what was played here (host-fenced takes two minutes: budget.bats)
no_reason_is_left_out() {
    look
    sed -nE 's/^fence_broker_reasons\{reason="([^"]*)",verdict="([^"]*)"\} .*/\1\/\2/p' "$T/now/metrics" | sort >"$T/table"
    (($(wc -l <"$T/table") > 30))
    diff <(grep -vx host-fenced/degraded "$T/table") <(sort -u "$T/scenarios") || {
        echo '< a reason that no "row" of this file brings about; > a row whose reason the daemon does not have' >&2
        return 1
    }
}

@test "each reason of the table is seen everywhere within its time, and is gone after the mend" {
    world_start
    world_broker fence.stop-timeout=0s
    # ---- of one guest ----
    row locked/blocked 102 'sim_ctl set 102 lock=backup' 'sim_ctl set 102 lock='
    row suspended/blocked 103 'sim_ctl set 103 lock=suspended' 'sim_ctl set 103 lock='
    row template/blocked 104 'sim_ctl set 104 template=1' 'sim_ctl set 104 template=0'
    row hookscript/degraded 105 'sim_ctl set 105 hookscript=local:snippets/x.pl' 'sim_ctl set 105 hookscript='
    row no-nic/degraded 106 'sim_ctl set 106 nic=0' 'sim_ctl set 106 nic=1'
    row host-slow/degraded 120 'sim_ctl fault slow ms=2200 call=status guest=120' 'sim_ctl clear slow'
    play
    row ha-error/blocked 102 'sim_ctl set 102 ha=error' 'sim_ctl set 102 ha=none'
    row ha-frozen/blocked 103 'sim_ctl set 103 ha=freeze' 'sim_ctl set 103 ha=none'
    row ha-unserved/blocked 104 'sim_ctl set 104 ha=unserved' 'sim_ctl set 104 ha=none'
    row ha-managed/degraded 105 'sim_ctl set 105 ha=started' 'sim_ctl set 105 ha=none'
    row locked/degraded 101 'sim_ctl set 101 lock=migrate' 'sim_ctl set 101 lock='
    row node-maintenance/degraded 106 'sim_ctl node pve4 hastate=maintenance' 'sim_ctl node pve4 hastate=online'
    play
    row stale/degraded 120 'elsewhere status 120' 'sim_ctl clear http'
    row wrong-guest/blocked 101 'sim_ctl set 101 uuid=99999999-2222-3333-4444-555555555555' "sim_ctl set 101 uuid=$OWN" \
        "wrong-guest: the name $NODE of this node leads to vm101 (101)"
    row host-silent/blocked 102 'sim_ctl fault http status=596 call=status guest=102' ''
    row rehearsal-failed/blocked 103 'sim_ctl fault http status=500 call=rehearse guest=103 reason=disk full' 'sim_ctl clear http'
    row no-evidence/degraded 105 'elsewhere status 105; sim_ctl set 105 node=pve3' ''
    play
    row node-unknown/degraded 106 'sim_ctl node pve4 pvestatd=hangs' 'sim_ctl node pve4 pvestatd=runs'
    play
    # a name of two guests, or one that led to another guest: the one that an alias leads to is degraded
    row ambiguous-name/blocked 104 'sim_ctl set 104 name=vm105' 'sim_ctl set 104 name=vm104' '(104): another guest of the pool has the same name'
    play
    row ambiguous-name/degraded 101 'sim_ctl set 106 name=vm101' 'sim_ctl set 106 name=vm106' '(101): another guest of the pool has the same name'
    play
    row name-moved/blocked 104 'sim_ctl set 105 name=other; sim_ctl set 104 name=vm105' 'sim_ctl set 104 name=vm104; sim_ctl set 105 name=vm105' \
        'vm105 led to guest 105 before (now called other)'
    play
    row name-moved/degraded 101 'sim_ctl set 101 name=another; sim_ctl set 106 name=vm101' 'sim_ctl set 106 name=vm106; sim_ctl set 101 name=vm101' \
        'vm101 led to guest 101 before (now called another)'
    play
    row node-offline/blocked 106 'sim_ctl node pve4 dead' 'sim_ctl node pve4 online'
    row no-power-right/blocked 102 "users 'acl:1:/vms/102:fence@pve,fence@pve!broker:NoAccess:'" users_again 'missing: '
    play
    left_in_doubt 105
    row unproven/blocked 105 '' 'sim_ctl start 105'
    play
    row unproven/blocked 104 'survived_its_stop 104' 'sim_ctl kill 104' '(104): unproven: a process of it may have survived a stop'
    play
    # ---- of all ----
    row one-endpoint/degraded all 'sim_ctl fault refuse endpoint=pve2' 'sim_ctl clear' 'is down for'
    play
    row no-endpoint/blocked all 'sim_ctl fault refuse' 'sim_ctl clear' 'is down for'
    play
    row proxmox-slow/degraded all 'sim_ctl fault slow ms=2200 call=resources' 'sim_ctl clear' 'much slower than it did'
    play
    row stale/blocked all 'sim_ctl fault http status=500 call=resources' 'sim_ctl clear' 'the last polls have failed'
    play
    row no-session/blocked all "sed -i 's/broker .*/broker another/' '$SIM/secrets'" "cp '$T/secrets' '$SIM/secrets'" 'fence@pve!broker (token): '
    play
    row minority/blocked all 'hosts dead' 'hosts online' 'too few to prove'
    play
    row certificate-expires/degraded all 'certificate pve2 days=10' 'certificate pve2' 'expires in'
    row excess-privileges/degraded all "users 'acl:1:/vms/200:fence@pve,fence@pve!broker:PVEVMAdmin:'; reload_all" 'users_again; reload_all' 'too much: '
    play
    row clock-wrong/degraded all 'certificate pve2 from=1' 'certificate pve2' 'not yet valid'
    play
    row clock-wrong/blocked all 'certificate pve1 from=1; certificate pve2 from=1' \
        'certificate pve1; certificate pve2' 'not yet valid'
    play
    row empty-pool/blocked all "sed -i 's/^pool:nfs_cluster::.*/pool:nfs_cluster:::/' '$SIM/user.cfg'" users_again 'the pool has no guest'
    play
    # ---- of the daemon ----
    row history-not-written/degraded all "mv '$STATE' '$T/away'; broker_again; client on vm102" \
        "mv '$T/away' '$STATE'; client on vm102" 'the history cannot be written to disk'
    play
    row rehearsal-unsafe/degraded all 'sim_ctl fault http status=200 call=rehearse guest=102 reason=OK' \
        "sim_ctl clear; rm -f '$STATE'/rehearsal*; reload_all" 'rehearsal'
    play
    row no-inventory/blocked all 'sim_ctl fault refuse; broker_again' 'sim_ctl clear' 'not known yet'
    play
    row excess-privileges/blocked all "users 'acl:1:/vms/200:fence@pve,fence@pve!broker:PVEVMAdmin:'; rm -rf '$STATE'/*; broker_again" users_again 'too much: '
    play
    host_unwatched_is_told
    no_reason_is_left_out
}

# verdict_is VMID VERDICT [REASON]
verdict_is() {
    ask GET /v1/guests >"$T/verdicts"
    perl -MJSON::PP -e '
        my ($vmid, $verdict, $reason) = @ARGV;
        my ($guest) = grep { $_->{vmid} == $vmid } @{JSON::PP->new->utf8->decode(join "", <STDIN>)->{guests}};
        exit !($guest->{verdict} eq $verdict && (!$reason || grep { $_->{reason} eq $reason } @{$guest->{reasons}}))' "$@" <"$T/verdicts"
}

@test "P10: who may have been killed unseen is no target, as the next fence says too, until it was seen started" {
    world_start
    world_broker fence.stop-timeout=0s
    await 30 verdict_is 105 ready
    left_in_doubt 105
    verdict_is 105 blocked unproven
    broker_kill
    broker_spawn
    await 30 verdict_is 105 blocked unproven
    fence 105 -o off -n vm105
    failed unproven 'no network device'
    verdict_is 105 blocked unproven
    like "$(client doctor || true)" *"vm105 (105): unproven: "*"qm start 105"*
    sim_ctl start 105
    await 30 verdict_is 105 ready
    # and off again: the doubt does not come back, with a restart neither
    sim_ctl kill 105
    broker_kill
    broker_spawn
    await 30 verdict_is 105 ready
    fence 105 -o off -n vm105
    succeeded
}

@test "whether this node is the guest that its name leads to: told without a daemon, too, with the line that mends it" {
    world_start
    broker_configure proxmox.check-interval=1s nodes."$NODE"=101
    alone() {
        out=$(CREDENTIALS_DIRECTORY=$T/credentials "$BUILD/fence-broker-admin" doctor -c "$CONFIG") || true
        printf '%s\n' "$out"
    }
    like "$(alone)" *"this node, $NODE, is vm101 (101) by its UUID"*
    sim_ctl set 101 uuid=99999999-2222-3333-4444-555555555555
    like "$(alone)" *"failure  wrong-guest: the name $NODE of this node leads to vm101 (101), whose UUID is 99999999-2222-3333-4444-555555555555, but this node's is $OWN"*
    sim_ctl set 102 uuid="$OWN"
    like "$(alone)" *"that of vm102"*"nodes]: $NODE = 102"*
    broker_configure proxmox.check-interval=1s nodes."$NODE"=102
    like "$(alone)" *"this node, $NODE, is vm102 (102) by its UUID"*
    # in the byte order of old firmware it is the same one
    sim_ctl set 102 uuid=44332211-6655-8877-4444-555555555555
    echo 11223344-5566-7788-4444-555555555555 >"$T/credentials/product-uuid"
    like "$(alone)" *"this node, $NODE, is vm102 (102) by its UUID"*
    # what cannot be told is said, and is no failure
    echo none >"$T/credentials/product-uuid"
    like "$(alone)" *"ok       cannot tell whether this node, $NODE, is really vm102 (102): its firmware reports no UUID"*
    sim_ctl set 102 uuid=
    echo "$OWN" >"$T/credentials/product-uuid"
    like "$(alone)" *"cannot tell whether this node, $NODE, is really "*": its configuration has no UUID (smbios1)"*
    broker_configure proxmox.check-interval=1s nodes."$NODE"=120
    like "$(alone)" *"cannot tell whether this node, $NODE, is really "*": a container has the UUID of its host"*
    broker_configure proxmox.check-interval=1s
    like "$(alone)" *"warning  the name $NODE of this node leads to no guest of the pool"*"nodes]: $NODE = VMID"*
}
