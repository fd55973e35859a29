#!/usr/bin/env bats
# What a bad endpoint costs a fence: one that refuses or resets at most 100 ms, one that is known to be silent nothing, one that falls silent
# in the middle answer-timeout, a dead resolver nothing. The bounds here only tell these apart on a busy machine: a lost answer-timeout
# (3 s) or look-up (10 s) is seen. The figures are made by `make bench`. The endpoint of pve1 is configured first.
# shellcheck disable=SC2034,SC2154

ANSWER_TIMEOUT=3000
AT_ONCE=1500

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
    SIM_ARGUMENTS=(--scale 0.1)
}
teardown() {
    [[ -z ${RESOLVER_PID:-} ]] || end_process "$RESOLVER_PID" TERM || true
    fence_teardown
}

# endpoint_is NUMBER 0|1: down or up by the broker's own words
endpoint_is() {
    ask GET /metrics | grep '^fence_broker_proxmox_endpoint_up{' | sed -n "$1p" | grep -q " $2\$"
}

# off VMID: took is how long it was
off() {
    fence "$1" -o off -n "vm$1"
    succeeded
    guest_dead "$1"
}

put_back() {
    sim_ctl clear
    sim_ctl start 101
    sim_ctl wait 101 running
    await 30 endpoint_is 1 1
}

endpoints_start() {
    sim_start
    broker_start "proxmox.answer-timeout=$((ANSWER_TIMEOUT / 1000))s" fence.deadline=20s "$@"
    await 30 endpoint_is 1 1
    await 30 endpoint_is 2 1
}

@test "an endpoint that refuses or resets costs a fence no time, over open connections and over new ones" {
    endpoints_start proxmox.poll-interval=1s
    for name in "refuse" "reset" "reset call=stop" "reset call=status" "reset call=resources"; do
        client -o status -n vm101      # so that a connection is open
        sim_ctl fault $name endpoint=pve1
        off 101
        within "$AT_ONCE" "$name, open"
        put_back
        sim_ctl idle-ms 20
        sim_ctl fault $name endpoint=pve1
        off 101
        within "$AT_ONCE" "$name, new"
        sim_ctl idle-ms 5000
        put_back
    done
}

@test "an endpoint that is known to be silent costs a fence nothing" {
    endpoints_start proxmox.poll-interval=1s
    sim_ctl fault silent endpoint=pve1
    await 30 endpoint_is 1 0
    off 101
    within "$AT_ONCE"
    # a guest of another host likewise
    off 102
    within "$AT_ONCE"
}

@test "an endpoint that falls silent in the middle costs answer-timeout, once, whichever call it swallows" {
    endpoints_start proxmox.poll-interval=1s
    for name in "" call=stop call=status call=resources; do
        client -o status -n vm101
        sim_ctl fault silent endpoint=pve1 $name
        off 101
        at_least "$took" $((ANSWER_TIMEOUT - 1000)) "$name"
        within $((ANSWER_TIMEOUT + AT_ONCE)) "$name"
        put_back
    done
}

# ---- endpoints that answer, and fail ----

# ways in which the endpoint of pve1 alone fails all that it is asked
FAILINGS=("pmxcfs-down endpoint=pve1"
    "http endpoint=pve1 status=500 reason=ipcc_send_rec[1] failed: Connection refused"
    "http endpoint=pve1 status=401 reason=Authentication failed!"
    "http endpoint=pve1 status=404 reason=Not Found"
    "http endpoint=pve1 status=502 reason=Bad Gateway")

is_told_bad() {
    [[ $(ask GET /v1/status | json endpoints.0.state) == down ]] && ask GET /v1/status | json endpoints.0.error.message | grep -q "$1"
}

@test "an endpoint that fails while another one serves hides it from nobody: fences, monitor and polls go on, and it is told" {
    endpoints_start proxmox.poll-interval=1s
    for fault in "${FAILINGS[@]}"; do
        reason=${fault##*reason=}
        [[ $fault == *reason=* ]] || reason="access control list"
        sim_ctl fault $fault
        off 102                        # it may not be known yet
        await 30 endpoint_is 1 0
        endpoint_is 2 1
        is_told_bad "${reason//[\[\]]/.}"
        client doctor >"$T/doctor" || true
        grep -q "^ *warning .* fails for .*${reason//[\[\]]/.}" "$T/doctor"
        client status | grep -q "one-endpoint"
        client -o monitor
        off 103
        within "$AT_ONCE" "$fault"
        sim_ctl stats reset
        await 30 polled_again
        client -o monitor              # the inventory is not stale
        sim_ctl clear
        await 30 endpoint_is 1 1
        for vmid in 102 103; do
            sim_ctl start "$vmid"
            sim_ctl wait "$vmid" running
        done
    done
    is "$(grep -c 'FENCE_EVENT=login-failed' "$T/broker.log.err")" 0
}
polled_again() { (($(sim_calls resources) >= 2)); }

@test "an endpoint that fails from the start on, and for some calls only, is asked last all the same" {
    sim_start
    sim_ctl fault http endpoint=pve1 call=resources status=500 "reason=ipcc_send_rec[1] failed: Connection refused"
    broker_start proxmox.poll-interval=1s fence.deadline=20s
    await 30 endpoint_is 1 0
    await 30 endpoint_is 2 1
    sim_ctl stats reset
    await 30 polled_again
    endpoint_is 1 0                    # it answers for its version, and is bad all the same
    off 101
    within "$AT_ONCE"
}

@test "a login that one endpoint refuses is made at another one, and doctor tells" {
    (umask 077; printf '%s\n' "$OPERATOR_PASSWORD" >"$T/secret")
    sim_start
    sim_ctl 401-delay 20
    for fault in "status=401 reason=authentication failure" "status=404 reason=Not Found" "status=595 reason=Connection refused"; do
        sim_ctl fault http endpoint=pve1 call=ticket $fault
        broker_start fence.deadline=5s proxmox.token-id= proxmox.user=operator@pve
        off 101
        client doctor >"$T/doctor" || true
        grep -q "^ *warning .* answered ticket with .*another endpoint accepted the login" "$T/doctor"
        broker_stop
        sim_ctl clear
        sim_ctl start 101
        sim_ctl wait 101 running
    done
}

# ---- the resolver ----

# own_resolver: in this process's mount namespace names are found in $T/hosts, and then asked of a server that never answers
own_resolver() {
    local address=127.$((RANDOM % 250 + 2)).$((RANDOM % 250 + 2)).$((RANDOM % 250 + 2))
    spawn "$T/resolver.log" "$BATS_TEST_DIRNAME/silent-resolver" "$address" "$T/asked"
    RESOLVER_PID=$SPAWNED
    await 30 test -e "$T/asked"
    printf 'hosts: files dns\n' >"$T/nsswitch.conf"
    printf 'nameserver %s\n' "$address" >"$T/resolv.conf"
    printf '127.0.0.1 localhost pve1 pve2\n' >"$T/hosts"
}

# shellcheck disable=SC2016
WITH_OWN_FILES='for file in nsswitch.conf resolv.conf hosts; do mount --bind "$0/$file" "/etc/$file"; done; exec "$@"'

# broker_spawn in a namespace of its own; lib.bash's broker_start calls it
with_own_resolver() {
    broker_spawn() {
        spawn "$T/broker.log" unshare --mount sh -ec "$WITH_OWN_FILES" "$T" "$BUILD/fence_brokerd" -c "$CONFIG"
        BROKER_PID=$SPAWNED
        ln -sf broker.log.err "$T/broker.err"
        await 30 broker_listens
    }
}

# NAME:PORT of an endpoint
by_name() { sed -nE "s/^$1 127.0.0.1:/$1:/p" "$SIM/endpoints"; }

resolver_dies() { printf '127.0.0.1 localhost\n' >"$T/hosts"; }

@test "a resolver that dies after the first contact costs nothing, and no name is asked for" {
    unshare --mount true 2>/dev/null || missing "mount namespaces are not to be had here"
    own_resolver
    with_own_resolver
    sim_start
    sim_ctl idle-ms 20                 # every request makes a connection
    broker_start proxmox.answer-timeout=3s fence.deadline=20s proxmox.poll-interval=1s "proxmox.endpoint=$(by_name pve1)" \
        "proxmox.endpoint=$(by_name pve2)"
    await 30 endpoint_is 1 1
    await 30 endpoint_is 2 1
    resolver_dies
    sim_ctl stats reset
    await 30 three_rounds
    off 101
    within "$AT_ONCE"
    broker_reload                      # the same endpoints keep what they learnt
    off 102
    within "$AT_ONCE"
    is "$(cat "$T/asked")" ""
    # one that is down is looked up anew now and then, by polls: never in a fence's way
    sim_ctl fault silent endpoint=pve1
    await 30 endpoint_is 1 0
    await 30 grep -q pve1 "$T/asked"
    off 103
    within "$AT_ONCE"
}
three_rounds() { (($(sim_calls resources) >= 3)); }

@test "an endpoint whose name does not resolve: every screen has the two ways out, and both work" {
    unshare --mount true 2>/dev/null || missing "mount namespaces are not to be had here"
    own_resolver
    with_own_resolver
    printf 'hosts: files\n' >"$T/nsswitch.conf"
    resolver_dies
    sim_start
    local port hint
    port=$(sed -n 's/^pve1 127.0.0.1:\([0-9]*\)$/\1/p' "$SIM/endpoints")
    hint="do without the name service: write \`endpoint = ADDRESS:$port as pve1\`, or put pve1 into /etc/hosts"
    broker_configure fence.deadline=5s proxmox.poll-interval=1s "proxmox.endpoint=pve1:$port"
    broker_spawn
    await 30 endpoint_is 1 0
    fence 101 -o off -n vm101
    failed "no-" "*resolve host: pve1*$hint"
    client -o monitor 2>"$T/monitor" || true
    client status >"$T/status"
    client doctor >"$T/doctor" || true
    unshare --mount sh -ec "$WITH_OWN_FILES" "$T" "$BUILD/fence-broker-admin" doctor -c "$CONFIG" >"$T/alone" || true
    for screen in monitor status doctor alone; do
        grep -F "$hint" "$T/$screen" || { echo "$screen:"; cat "$T/$screen"; return 1; }
    done
    printf '127.0.0.1 localhost pve1\n' >"$T/hosts"
    await 30 client -o monitor -q
    resolver_dies
    broker_reload fence.deadline=5s "proxmox.endpoint=127.0.0.1:$port as pve1"
    await 30 client -o monitor -q
    off 101
    # a name for the certificate stays
    broker_reload fence.deadline=5s "proxmox.endpoint=gone:$port as pve1"
    await 30 status_says "write \`endpoint = ADDRESS:$port as pve1\`, or put gone into /etc/hosts"
}
status_says() { client status | grep -F "$1"; }

@test "an endpoint whose name was never resolved costs nothing while another one is known" {
    unshare --mount true 2>/dev/null || missing "mount namespaces are not to be had here"
    own_resolver
    with_own_resolver
    resolver_dies
    sim_start
    broker_start proxmox.answer-timeout=3s fence.deadline=20s "proxmox.endpoint=$(by_name pve1)" "proxmox.endpoint=$(sed -n 's/^pve2 //p' "$SIM/endpoints")"
    off 101
    within "$AT_ONCE"
    grep -q pve1 "$T/asked"
}
