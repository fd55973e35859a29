#!/usr/bin/env bats
# Least privilege (P8): what the broker's identity holds, against what fencing needs. Enough works; too much is refused with the line that
# mends it, unless the identity was accepted before; too little names the line that is missing.
# shellcheck disable=SC2034,SC2154

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
    SIM_ARGUMENTS=(--scale 0.1)
}
teardown() {
    [[ -z ${NOTIFIED_PID:-} ]] || end_process "$NOTIFIED_PID" TERM || true
    fence_teardown
}

# grants LINE…: user.cfg with the user, its token, two pools, the roles of the manual and of the guides, and these lines
grants() {
    cat >"$SIM/user.cfg.new" <<-END
	user:fence@pve:1:0::::::
	user:operator@pve:1:0::::::
	token:fence@pve!broker:0:1::
	user:admin@pve:1:0::::::
	token:admin@pve!shell:0:0::
	acl:1:/:admin@pve:Administrator:
	pool:nfs_cluster::101,102,103,120:store:
	pool:other::200::
	role:Fence:VM.PowerMgmt,VM.Audit,Pool.Audit:
	role:Guide:VM.PowerMgmt,VM.Audit,VM.Monitor:
	END
    printf '%s\n' "$@" >>"$SIM/user.cfg.new"
    mv "$SIM/user.cfg.new" "$SIM/user.cfg"
    printf '%s\n' "fence@pve not-used" "fence@pve!broker $TOKEN_SECRET" "operator@pve $OPERATOR_PASSWORD" \
        "admin@pve!shell $ADMIN_SECRET" >"$SIM/secrets"
    [[ -z $SIM_PID ]] || sim_ctl reload
}
# grant PATH ROLE: to the user and its token
grant() { echo "acl:1:$1:fence@pve,fence@pve!broker:$2:"; }
ADMIN_SECRET=99999999-2222-3333-4444-555555555555
MINIMAL='acl:1:/pool/nfs_cluster:fence@pve,fence@pve!broker:Fence:'

# version N: of Proxmox VE
version() {
    sim_guests
    sed -i "s/^version .*/version $1/" "$SIM/cluster.conf"
}

permissions() { ask GET /v1/permissions | json "$1"; }
judged() { [[ $(permissions judgement) == "$1" ]]; }
reasons() { ask GET /v1/status | perl -MJSON::PP -0777 -ne 'print "$_->{reason}:$_->{severity}\n" for @{ decode_json($_)->{reasons} }'; }
metric() { ask GET /metrics | sed -n "s/^$1 //p"; }
# the daemon reads its privileges anew
reread() { broker_reload "$@"; }

# pveum KIND VERB NAME|PATH --KEY VALUE…: what pveum on a Proxmox host makes of such a line: a call of the API, as an administrator
pveum() {
    local verb="$1 $2" target=$3 call data=()
    shift 3
    while (($# > 0)); do
        data+=(--data-urlencode "${1#--}=$2")
        shift 2
    done
    case $verb in
    "role add") call=(POST /access/roles) data+=(--data-urlencode "roleid=$target") ;;
    "role modify") call=(PUT "/access/roles/$target") ;;
    "acl modify") call=(PUT /access/acl) data+=(--data-urlencode "path=$target") ;;
    "acl delete") call=(PUT /access/acl) data+=(--data-urlencode "path=$target" -d delete=1) ;;
    *) printf 'pveum does not know: %s\n' "$verb" >&2; return 1 ;;
    esac
    curl -fsS --max-time 10 --cacert "$SIM/pve-root-ca.pem" -H "Authorization: PVEAPIToken=admin@pve!shell=$ADMIN_SECRET" \
        -X "${call[0]}" "${data[@]}" "https://$(sed -n 's/^pve1 //p' "$SIM/endpoints")/api2/json${call[1]}" >/dev/null
}

# refused PATTERN: nothing is fenced, everything says why, with the line
refused() {
    await 30 judged refused
    fence 101 -o off -n vm101
    failed excess-privileges "$1"
    guest_alive 101
    is "$(sim_calls stop)" 0
    run client -o monitor
    is "$status" 1
    like "$output" "*excess-privileges*"
    like "$(reasons)" "*excess-privileges:blocked*"
}
broker_begin() {
    sim_start
    broker_configure fence.deadline=5s "$@"
    broker_spawn
}

@test "the minimal role works without a hint on 7, 8 and 9" {
    local pve
    for pve in 7.4.1 8.4.1 9.2.11; do
        version $pve
        grants "$MINIMAL"
        sim_start
        broker_start fence.deadline=5s
        is "$(permissions judgement)" accepted
        is "$(permissions excess) $(permissions missing) $(permissions hints)" "[] [] []"
        is "$(metric fence_broker_excess_privileges) $(metric fence_broker_missing_privileges)" "0 0"
        refute grep -q excess-privileges <<<"$(reasons)"
        fence 101 -o off -n vm101
        succeeded
        guest_dead 101
        broker_stop
        sim_stop
        rm -r "$STATE" "$SIM" "$T/seen"
        mkdir -m 755 "$SIM" "$T/seen"
        mkdir -m 750 "$STATE"
    done
}

@test "the role of the guides for 7 and 8 (VM.Monitor, no Pool.Audit) works, with a hint" {
    local pve
    for pve in 7.4.1 8.4.1; do
        version $pve
        grants "$(grant /pool/nfs_cluster Guide)"
        sim_start
        broker_start fence.deadline=5s
        is "$(permissions judgement)" accepted
        is "$(permissions excess) $(permissions missing)" "[] []"
        is "$(permissions hints.0.privileges) $(permissions hints.1.privileges)" '["Pool.Audit"] ["VM.Monitor"]'
        like "$(permissions hints.1.mend)" 'pveum role modify ROLE --privs "VM.PowerMgmt VM.Audit Pool.Audit"'
        is "$(reasons | grep -c privileges || true)" 0
        fence 101 -o off -n vm101
        succeeded
        guest_dead 101
        broker_stop
        sim_stop
        rm -r "$STATE" "$SIM" "$T/seen"
        mkdir -m 755 "$SIM" "$T/seen"
        mkdir -m 750 "$STATE"
    done
}

@test "PVEVMAdmin on the pool is refused: what is too much, and what replaces it" {
    grants "$(grant /pool/nfs_cluster PVEVMAdmin)"
    broker_begin
    refused "more than fencing needs on /pool/nfs_cluster: VM.Allocate, *(the role PVEVMAdmin)*"
    run client permissions
    is "$status" 0
    like "$output" "*not accepted, nothing is fenced*"
    like "$output" "*pveum acl modify /pool/nfs_cluster --roles FenceBroker --users fence@pve --tokens 'fence@pve!broker'; pveum acl delete /pool/nfs_cluster --roles PVEVMAdmin --tokens 'fence@pve!broker'*"
    like "$output" "*all of it: VM.Allocate, *VM.Snapshot.Rollback*"
    # the book shows that
    sed -n '/^```text/,/^```$/{/^```/!p}' "$BATS_TEST_DIRNAME/../../doc/book/40-least-privilege.md" >"$T/shown"
    is "$(grep -cxFf "$T/shown" <<<"$output")" 2
    run client off vm101 --dry-run
    is "$status" 1
    like "$output" "*excess-privileges*"
}

@test "Administrator on / is refused, with the line that takes it away; mended, the running broker fences" {
    grants "$(grant / Administrator)"
    broker_begin proxmox.poll-interval=1s
    refused "which reaches the whole cluster: *(the role Administrator)*pveum acl delete / --roles Administrator --tokens 'fence@pve!broker'"
    is "$(permissions excess.0.path)" /
    is "$(permissions excess.1)" null
    at_least "$(metric fence_broker_excess_privileges)" 40
    refute broker_said "fence@pve!broker holds what fencing needs, and no more"
    is "$(grep -cF 'is not accepted: nothing is fenced' "$T/broker.log.err")" 1
    # what the line does, and the grant that is right
    grants "$MINIMAL"
    await 30 judged accepted
    broker_said "fence@pve!broker holds what fencing needs, and no more"
    next_fence_works 102
}

@test "a grant of the right role on / is refused: it reaches every guest" {
    grants "$(grant / Fence)"
    broker_begin
    refused "more than fencing needs on /, which reaches the whole cluster: Pool.Audit, VM.Audit, VM.PowerMgmt*pveum acl delete / --roles ROLE*"
}

@test "the right role on another pool, or another guest, is refused" {
    grants "$MINIMAL" "$(grant /pool/other Fence)"
    broker_begin proxmox.poll-interval=1s
    refused "/pool/other, a pool that is not configured: *pveum acl delete /pool/other --roles ROLE --tokens 'fence@pve!broker'"
    grants "$MINIMAL" "$(grant /vms/200 PVEVMUser)"
    await 30 broker_said "/vms/200, a guest of no configured pool: VM.Audit, VM.Backup"
    refused "pveum acl delete /vms/200 --roles PVEVMUser --tokens 'fence@pve!broker'"
}

@test "a token without a grant of its own: exactly the line that is missing, on 7, 8 and 9" {
    local pve line="pveum acl modify /pool/nfs_cluster --roles FenceBroker --users fence@pve --tokens 'fence@pve!broker'"
    for pve in 7.4.1 8.4.1 9.2.11; do
        version $pve
        grants 'acl:1:/pool/nfs_cluster:fence@pve:Fence:'
        broker_begin proxmox.poll-interval=1s
        await 30 judged accepted
        is "$(permissions missing.0.privileges)" '["VM.Audit","VM.PowerMgmt"]'
        is "$(permissions missing.0.mend)" "$line"
        like "$(permissions missing.0.message)" "*a token with privilege separation has only what is granted to itself and to its user"
        is "$(metric fence_broker_missing_privileges)" 2
        is "$(permissions accepted_before)" false
        # 7 shows nothing of the pool, and just after the start a monitor waits for guests to be known
        like "$(ask GET /v1/status | json poll_error.hint)$([[ $pve == 7* ]] || client -o monitor 2>&1)" "*$line*"
        # what the line does
        grants "$MINIMAL"
        await 30 client -o monitor -q
        is "$(permissions missing)" "[]"
        broker_stop
        sim_stop
        rm -r "$STATE" "$SIM" "$T/seen"
        mkdir -m 755 "$SIM" "$T/seen"
        mkdir -m 750 "$STATE"
    done
}

@test "granting an accepted identity more does not disarm it, also after kill -9 and a restart" {
    grants "$MINIMAL"
    broker_begin
    await 30 client -o monitor -q
    is "$(permissions accepted_before)" true
    grants "$MINIMAL" "$(grant / Administrator)"
    reread
    await 30 judged tolerated
    broker_said "still fences because it was accepted before"
    like "$(reasons)" "*excess-privileges:degraded*"
    like "$(client targets)" "*degraded*excess-privileges*"
    like "$(client status)" "*excess-privileges (degraded)*pveum acl delete / --roles Administrator*"
    client -o monitor -q
    fence 101 -o off -n vm101
    succeeded
    guest_dead 101
    broker_kill
    broker_spawn
    await 30 client -o monitor -q
    judged tolerated
    fence 102 -o off -n vm102
    succeeded
    guest_dead 102
    # another identity has no such past
    grants "$MINIMAL" "$(grant / Administrator)" 'acl:1:/:operator@pve:Administrator:'
    (umask 077; printf '%s\n' "$OPERATOR_PASSWORD" >"$T/secret")
    reread fence.deadline=5s proxmox.token-id= proxmox.user=operator@pve
    await 30 judged refused
    fence 103 -o off -n vm103
    failed excess-privileges "pveum acl delete / --roles Administrator --users operator@pve"
    guest_alive 103
}

@test "the lines that are shown mend what they are shown for" {
    local found kind mend
    sim_start "guest 201 qemu pve1 nested running=1"
    broker_configure fence.deadline=5s proxmox.poll-interval=1s proxmox.least-privilege=warn
    broker_spawn
    # user.cfg's lines | the kind of finding | the role that is called ROLE, if there is one
    while IFS='|' read -r lines kind role; do
        # shellcheck disable=SC2086
        IFS=';' eval 'grants $lines'
        reread
        found() { [[ $(permissions "$kind.0") != null ]]; }
        mended() { [[ $(permissions excess) == "[]" && $(permissions missing) == "[]" && $(permissions judgement) == accepted ]]; }
        await 30 found || { printf 'nothing found: %s\n' "$lines" >&2; return 1; }
        mend=$(permissions "$kind.0.mend")
        # as a shell does it: what fails does not keep the rest from being done
        eval "${mend//ROLE/$role}" || true
        reread
        await 30 mended || { printf 'not mended: %s by: %s: %s\n' "$lines" "$mend" "$(ask GET /v1/permissions)" >&2; return 1; }
    done <<-END
	$(grant /pool/nfs_cluster PVEVMAdmin)|excess|
	$(grant / Administrator);$MINIMAL|excess|
	$(grant /pool/other Fence);$MINIMAL|excess|Fence
	$(grant /vms/200 PVEVMUser);$MINIMAL|excess|
	role:Mine:VM.PowerMgmt,VM.Audit,VM.Console:;$(grant /pool/nfs_cluster Mine)|excess|Mine
	pool:nfs_cluster/sub::201::;$MINIMAL|excess|Fence
	role:FenceBroker:VM.PowerMgmt,VM.Audit:;acl:1:/pool/nfs_cluster:fence@pve:FenceBroker:|missing|
	role:FenceBroker:VM.PowerMgmt:;$(grant /pool/nfs_cluster FenceBroker)|missing|
	role:Little:VM.Audit:;$(grant /pool/nfs_cluster Little)|missing|
	$(grant /vms/102 NoAccess);$MINIMAL|missing|
	END
}

@test "least-privilege = warn uses it from the start and says so; enforce refuses it again" {
    grants "$(grant /pool/nfs_cluster PVEVMUser)"
    broker_begin proxmox.least-privilege=warn
    await 30 client -o monitor -q
    is "$(permissions judgement) $(permissions least_privilege) $(permissions accepted_before)" "tolerated warn false"
    like "$(reasons)" "*excess-privileges:degraded*"
    fence 102 -o off -n vm102
    succeeded
    guest_dead 102
    sim_ctl stats reset
    reread fence.deadline=5s
    refused "the role PVEVMUser"
}

@test "systemd hears READY only from an identity that may be used, and STATUS says what mends it" {
    export NOTIFY_SOCKET=$T/notify
    spawn "$T/notified" perl -MIO::Socket::UNIX -e '$| = 1; my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => shift) or die $!;
        while (defined $s->recv(my $m, 4096)) { $m =~ tr/\n/ /; print "$m\n" }' "$NOTIFY_SOCKET"
    NOTIFIED_PID=$SPAWNED
    await 30 test -S "$NOTIFY_SOCKET"
    grants "$(grant / Administrator)"
    broker_begin proxmox.poll-interval=1s
    await 30 grep -qF "STATUS=not ready: excess-privileges: fence@pve!broker: more than fencing needs on /, " "$T/notified"
    grep -qF "pveum acl delete / --roles Administrator --tokens 'fence@pve!broker'" "$T/notified"
    refute grep -q '^READY=1' "$T/notified"
    grants "$MINIMAL"
    await 30 grep -q '^READY=1' "$T/notified"
    await 30 grep -q '^STATUS=4/4 targets ready' "$T/notified"
    grants "$MINIMAL" "$(grant /pool/other Fence)"
    reread
    await 30 grep -qF "STATUS=4/4 targets ready; excess-privileges: " "$T/notified"
    grants 'acl:1:/pool/nfs_cluster:fence@pve:Fence:'
    reread
    await 30 grep -qF "no-power-right: VM.Audit, VM.PowerMgmt are missing on /pool/nfs_cluster" "$T/notified"
    unset NOTIFY_SOCKET
}
