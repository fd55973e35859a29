#!/usr/bin/env bats
# Who may ask (the gate), what the metrics socket gives away, that nothing outside the pool is touched (P2), and that no secret leaves (P9).
# Needs root: it asks as other users.
# shellcheck disable=SC2034,SC2154

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
    ((EUID == 0)) || missing "asking as other users needs root"
    SIM_ARGUMENTS=(--scale 0.1)
    # no user of the machine's: numbers are enough for the kernel
    GROUP=daemon
    GROUP_ID=$(getent group $GROUP | cut -d: -f3)
    # the programs must be reachable by everybody
    mkdir -m 755 "$T/bin"
    install -m 755 "$BUILD/fence_broker" "$T/bin/fence_broker"
}
teardown() { fence_teardown; }

access_start() {
    sim_start
    broker_start fence.deadline=5s socket.group=$GROUP "$@"
}

# as UID GID GROUPS COMMAND…: GROUPS "" for none
as() {
    local uid=$1 gid=$2 groups=$3
    shift 3
    if [[ -n $groups ]]; then groups=--groups=$groups; else groups=--clear-groups; fi
    setpriv --reuid "$uid" --regid "$gid" "$groups" -- "$@"
}
client_as() { as "$1" "$2" "$3" "$T/bin/fence_broker" "${@:4}" --socket "$SOCKET" </dev/null; }
denied() { curl -sS --unix-socket "$METRICS" http://localhost/metrics | awk '/^fence_broker_denied_total/ { n += $2 } END { print n + 0 }'; }

@test "the socket belongs to root and the group, 0660; the metrics socket is everybody's" {
    access_start
    is "$(stat -c '%a %u %g' "$SOCKET")" "660 0 $GROUP_ID"
    is "$(stat -c %a "$METRICS")" 666
}

@test "members may fence, by their primary or by another group" {
    access_start
    client_as 12345 "$GROUP_ID" "" -o off -n vm101
    guest_dead 101
    client_as 12346 12346 "7,$GROUP_ID,9" -o off -n vm102
    guest_dead 102
    is "$(operation asked_by.uid 102)" 12346
}

@test "others are kept out by the file's mode, in words" {
    access_start
    run client_as 12345 12345 "" -o off -n vm101
    is "$status" 1
    like "$output" "fence_broker: off vm101: *"
    like "$output" "*ermission*"
    guest_alive 101
}

@test "others are denied by the daemon itself when the mode lets them through; logged and counted" {
    access_start
    chmod 0666 "$SOCKET"
    run client_as 12345 12345 "" -o off -n vm101
    is "$status" 1
    like "$output" "*denied*"
    is "$(as 12345 12345 "" curl -sS --unix-socket "$SOCKET" -o /dev/null -w '%{http_code}' http://localhost/v1/status)" 403
    is "$(as 12345 12345 "4,5,6" curl -sS --unix-socket "$SOCKET" -o /dev/null -w '%{http_code}' -X POST http://localhost/v1/guests/vm101/off)" 403
    guest_alive 101
    is "$(sim_calls stop)" 0
    is "$(denied)" 3
    broker_said "denied: uid 12345, gid 12345"
}

@test "the overflow uid is nobody, whatever its groups are" {
    access_start
    run client_as 65534 "$GROUP_ID" "" -o off -n vm101
    is "$status" 1
    like "$output" "*denied*"
    guest_alive 101
}

@test "hacluster may ask without being in the group" {
    getent passwd hacluster >"$T/hacluster" || missing "there is no user hacluster"
    access_start
    chmod 0666 "$SOCKET"
    client_as "$(id -u hacluster)" 12345 "" -o off -n vm101
    guest_dead 101
}

@test "a group that does not exist: only root may ask, and it is said" {
    sim_start
    broker_start fence.deadline=5s socket.group=no-such-group
    broker_said "group no-such-group does not exist on this machine"
    chmod 0666 "$SOCKET"
    run client_as 12345 "$GROUP_ID" "" -o off -n vm101
    is "$status" 1
    next_fence_works
}

@test "the metrics socket gives everybody the metrics and nothing else" {
    access_start
    at() { as 12345 12345 "" curl -sS --unix-socket "$METRICS" -o "$2" -w '%{http_code}' "${@:3}" "http://localhost$1"; }
    local target
    install -m 666 /dev/null "$T/body"
    is "$(at /metrics "$T/body")" 200
    grep -q '^fence_broker_build_info' "$T/body"
    for target in /v1/status /v1/guests /v1/operations / /metrics/ //metrics; do
        like "$(at $target "$T/body")" 40[04]
    done
    is "$(at /v1/guests/vm101/off "$T/body" -X POST)" 404
    is "$(at /metrics "$T/body" -X POST)" 405
    guest_alive 101
    # no names of peers in it
    refute grep -E '12345|uid' "$T/body"
}

@test "the metrics socket lets a uid have two connections, and keeps the rest for others" {
    access_start
    mkfifo "$T/hold"
    install -m 755 "$BATS_TEST_DIRNAME/socket-abuse" "$T/" # the checkout may lie where others cannot reach
    as 12345 12345 "" "$T/socket-abuse" "$METRICS" idle 10 <"$T/hold" >"$T/idle" 3>&- &
    local held=$! hold
    exec {hold}>"$T/hold"
    await 30 grep -q 'ready 10' "$T/idle"
    curl -fsS --max-time 2 --unix-socket "$METRICS" -o "$T/metrics" http://localhost/metrics
    grep -q 'fence_broker_connections{socket="metrics"} 3' "$T/metrics"
    exec {hold}>&-
    wait "$held"
}

# ---- P2 ----

@test "P2: whatever is asked, only guests of the pool and only calls of the list" {
    access_start
    local plug
    for plug in 200 stranger '../200' '101/../200' 'vm101%2f..%2f200' 0 -1 999999999 '*' "101;200" "101 200"; do
        run client -o off -n "$plug"
        is "$status" 1
        run client -o reboot -n "$plug" -m cycle
        is "$status" 1
    done
    guest_alive 200 && guest_alive 101
    is "$(sim_calls stop)/$(sim_calls reset)/$(sim_calls start)" 0/0/0
    fence 101 -o off -n vm101 && succeeded
    fence 101 -o on -n vm101 && succeeded
    fence 102 -o reboot -n vm102 && succeeded
    fence 103 -o reboot -n vm103 -m cycle && succeeded
    client -o list >"$T/list"
    refute grep 200 "$T/list"
    # all that Proxmox saw
    local guest='/nodes/pve[123]/(qemu|lxc)/(101|102|103|120)'
    refute grep -vE "^(GET (/version|/access/domains|/access/permissions|/cluster/resources|/pools|/pools/nfs_cluster|$guest/(status/current|config)|/nodes/pve[123]/tasks(/[^ ]*/status)?)|POST (/access/ticket|$guest/status/(start|stop|reset)))\$" <(sim_ctl log | awk '{ print $2, $3 }')
}

@test "P2: a guest that leaves the pool is fenced no more" {
    access_start proxmox.poll-interval=1s
    sed -i 's/101,102,103,120/102,103,120/' "$SIM/user.cfg"
    sim_ctl reload
    gone() { ! client -o list | grep -q 101; }
    await 30 gone
    run client -o off -n vm101
    is "$status" 1
    like "$output" "*unknown-plug*"
    guest_alive 101
}

@test "P2: a pool that does not exist, or whose members are not ours, gives no guest, and says so" {
    sim_start
    sed -i 's/^pool:nfs_cluster.*/&\npool:other::200:/' "$SIM/user.cfg"
    sim_ctl reload
    broker_configure proxmox.pool=nosuch proxmox.poll-interval=1s
    broker_spawn
    await 30 grep -q 'pool nosuch does not exist' "$T/broker.log.err"
    run client -o off -n vm101
    is "$status" 1
    like "$output" "*empty-pool*pool nosuch does not exist*pveum pool list*"
    broker_stop
    broker_configure proxmox.pool=other
    broker_spawn
    run client -o monitor
    is "$status" 1
    like "$output" "*excess-privileges*/pool/nfs_cluster, a pool that is not configured*"
    run client -o off -n vm101
    is "$status" 1
    like "$output" "*unknown-plug*"
    run client -o off -n 200
    is "$status" 1
    guest_alive 101 && guest_alive 200
}

# ---- P9 ----

# no_secret_in FILE…: none of the test's secrets, no ticket, no CSRF token
no_secret_in() {
    refute grep -laE "$TOKEN_SECRET|$OPERATOR_PASSWORD|PVEAPIToken=|PVEAuthCookie=|PVE:operator@pve:|CSRFPreventionToken" "$@"
}

look_for_secrets() {
    local pid
    client status >"$T/look.status" 2>&1 || true
    client status --json >"$T/look.status.json" 2>&1 || true
    client permissions --json >"$T/look.permissions" 2>&1 || true
    client targets >"$T/look.targets" 2>&1 || true
    client history --json >"$T/look.history" 2>&1 || true
    curl -sS --unix-socket "$METRICS" -o "$T/look.metrics" http://localhost/metrics
    for pid in "$BROKER_PID" $(pgrep -P "$BROKER_PID"); do
        cat "/proc/$pid/cmdline" "/proc/$pid/environ" >>"$T/look.argv"
    done
    no_secret_in "$T"/look.* "$T/broker.log" "$T/broker.log.err" "$STATE"/*
}

@test "P9: a token's secret is in no log, history, view, metric, argument or environment" {
    sim_start
    sim_ctl 401-delay 20
    broker_configure fence.deadline=5s socket.group=$GROUP
    spawn "$T/broker.log" "$BUILD/fence_brokerd" -v -c "$CONFIG"
    BROKER_PID=$SPAWNED
    await 30 client -o monitor -q
    fence 101 -o off -n vm101
    sim_ctl fault garbage call=status count=2
    sim_ctl fault http call=stop status=401 count=4 "reason=no ticket"
    fence 102 -o off -n vm102
    look_for_secrets
    broker_stop
    look_for_nothing_in_state
}
look_for_nothing_in_state() { no_secret_in "$STATE"/* "$T/broker.log.err"; }

@test "P9: nor is a password, a ticket or a CSRF token, whether the login works or not" {
    sim_start
    sim_ctl 401-delay 20
    (umask 077; printf '%s\n' "$OPERATOR_PASSWORD" >"$T/secret")
    broker_configure fence.deadline=5s socket.group=$GROUP proxmox.token-id= proxmox.user=operator@pve
    spawn "$T/broker.log" "$BUILD/fence_brokerd" -v -c "$CONFIG"
    BROKER_PID=$SPAWNED
    await 30 client -o monitor -q
    fence 101 -o off -n vm101
    sim_ctl fault tickets-expire
    fence 102 -o off -n vm102
    sed -i 's/^operator@pve .*/operator@pve changed/' "$SIM/secrets"
    sim_ctl reload
    sim_ctl fault tickets-expire
    fence 103 -o off -n vm103
    look_for_secrets
}

@test "P9: a secret file that others may read, or that is not there, is refused by its name" {
    sim_start
    broker_configure
    chmod 644 "$T/secret"
    run "$BUILD/fence_brokerd" -c "$CONFIG"
    is "$status" 1
    like "$output" "*$T/secret*chmod*"
    rm "$T/secret"
    run "$BUILD/fence_brokerd" -c "$CONFIG"
    is "$status" 1
    like "$output" "*$T/secret*"
    : >"$T/secret"; chmod 600 "$T/secret"
    run "$BUILD/fence_brokerd" -c "$CONFIG"
    is "$status" 1
    like "$output" "*$T/secret*"
}
