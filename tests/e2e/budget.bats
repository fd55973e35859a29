# What a broker costs Proxmox while nobody asks, and how soon it tells all the same: counted at pvesim, by a clock that runs faster.
bats_require_minimum_version 1.5.0

SCALE=10
REQUESTS_A_MINUTE=12 HANDSHAKES_A_MINUTE=6
HA_REQUESTS_A_MINUTE=24 HA_HANDSHAKES_A_MINUTE=12
IDLE_CONFIG=() IDLE_USERS=()
TOLD_S=30

setup() {
    load lib
    e2e_setup
    [[ $BUILD != */san-* ]] || missing 'nothing is preloaded into a program with sanitizers'
}
teardown() { e2e_teardown; }

# idle_start [CLUSTER.CONF'S LINE…]: with the lines of IDLE_CONFIG; three guests, a host each, all of them ready, with the defaults. The guests are stopped: the time since their start
# would go by another clock. answer-timeout: the machine does not run faster.
idle_start() {
    sim_users
    sed -i 's/:101,102,103,120:/:101,102,103:/' "$SIM/user.cfg"
    ((${#IDLE_USERS[@]} == 0)) || printf '%s\n' "${IDLE_USERS[@]}" >>"$SIM/user.cfg"
    printf '%s\n' 'version 9.2.11' 'node pve1' 'node pve2' 'node pve3' 'listen pve1 127.0.0.1:0' 'listen pve2 127.0.0.1:0' \
        'guest 101 qemu pve1 vm101' 'guest 102 qemu pve2 vm102' 'guest 103 qemu pve3 vm103' 'guest 200 qemu pve1 stranger' "$@" >"$SIM/cluster.conf"
    sim_spawn
    sim_ctl idle-ms $((5000 / SCALE))
    BROKER_COMMAND=(env LD_PRELOAD="$BUILD/scaled_clock.so" SCALED_CLOCK=$SCALE "$BUILD/fence_brokerd")
    broker_start proxmox.check-interval= proxmox.rehearse-interval= proxmox.answer-timeout=40s "${IDLE_CONFIG[@]}"
    await 30 all_are ready
    await 30 at_rest
}

# trust_ha_start: the same, where Proxmox HA watches each host
trust_ha_start() {
    IDLE_CONFIG=(fence.dead-host=trust-ha)
    SIM_ARGUMENTS=(--scale 0.1)
    IDLE_USERS=('role:FenceBrokerHA:Sys.Audit:' 'acl:0:/:fence@pve,fence@pve!broker:FenceBrokerHA:')
    idle_start 'guest 301 qemu pve1 witness1 running=1 ha=started' 'guest 302 qemu pve2 witness2 running=1 ha=started' \
        'guest 303 qemu pve3 witness3 running=1 ha=started'
    await 30 unwatched_are 0
}

unwatched_are() { scraped | grep -qx "fence_broker_reasons{reason=\"host-unwatched\",verdict=\"ready\"} $1"; }
scraped() { curl -fsS --max-time 10 --unix-socket "$METRICS" http://localhost/metrics; }
all_are() { scraped | grep -qx "fence_broker_guests{verdict=\"$1\"} 3"; }
# both endpoints have had their turns
at_rest() { (($(sim_calls resources) >= 2 && $(sim_calls permissions) >= 2)); }
# polls: those that have been made, each with one of the two
polls() { sim_ctl stats | awk '$1 == "call" && ($2 == "resources" || $2 == "permissions") { n += $3 } END { print n + 0 }'; }
polled() { (($(polls) >= $1)); }

# why VMID: its reasons
why() { scraped | sed -nE "s/^fence_broker_target_(blocked|degraded)_reason\{target=\"$1\",reason=\"([^\"]+)\"\} 1$/\2/p"; }
has_reason() { why "$1" | grep -qx "$2"; }

# told_in_time VMID REASON COMMAND…: what COMMAND does is told as REASON within TOLD_S seconds of the broker's clock
told_in_time() {
    local vmid=$1 reason=$2 took stalled
    shift 2
    not has_reason "$vmid" "$reason"
    stopwatch_start
    "$@"
    await $((2 * TOLD_S)) has_reason "$vmid" "$reason"
    stopwatch_read
    printf '%s: %d ms\n' "$reason" $((took * SCALE)) >&2
    # what the machine itself needs to look is not the broker's
    within $((TOLD_S * 1000 / SCALE + 500)) "$reason"
}

# keeps_within REQUESTS HANDSHAKES POLLS: a minute, over so many polls; in 43, about ten minutes, everything is read once
keeps_within() {
    local began seconds requests handshakes
    sim_ctl stats reset
    began=$(now_ms)
    await 120 polled "$3"
    requests=$(sim_stat requests) handshakes=$(sim_stat handshakes)
    seconds=$((($(now_ms) - began) * SCALE / 1000))
    sim_ctl stats >&2
    awk -v r="$requests" -v h="$handshakes" -v s="$seconds" 'BEGIN { printf "a minute: %.2f requests, %.2f handshakes\n", r * 60 / s, h * 60 / s }' >&2
    ((requests * 60 <= $1 * seconds))
    ((handshakes * 60 <= $2 * seconds))
    # the ways of both endpoints are known from what was asked of them
    scraped | grep -cE '^fence_broker_proxmox_endpoint_up\{.*\} 1$' | grep -qx 2
    all_are ready
}

@test "P10: at rest, with three guests and two endpoints, a broker keeps within 12 requests and 6 TLS handshakes a minute" {
    idle_start
    keeps_within "$REQUESTS_A_MINUTE" "$HANDSHAKES_A_MINUTE" 43
}

# The hosts and Proxmox HA must be looked at twice in 20 seconds, or a host that leaves is not known to have been watched.
@test "P10: at rest, where Proxmox HA watches each host and dead-host = trust-ha, it keeps within 24 requests and 12 TLS handshakes a minute" {
    trust_ha_start
    keeps_within "$HA_REQUESTS_A_MINUTE" "$HA_HANDSHAKES_A_MINUTE" 22
    unwatched_are 0
}

# off_by_the_clock PLUG: asks for off by the broker's clock
off_by_the_clock() { env LD_PRELOAD="$BUILD/scaled_clock.so" SCALED_CLOCK=$SCALE timeout 60 "$BUILD/fence_broker" off "$1" --socket "$SOCKET" </dev/null; }

# dies_and_is_fenced: pve3, and its guest is proven off
dies_and_is_fenced() {
    await 30 unwatched_are 0
    sim_ctl node pve3 dead
    off_by_the_clock 103 >"$T/done"
    grep -q '"host":"pve3","reason":' "$STATE/dead-hosts.jsonl"
}
# evidence_of_a_death: what proved it off is judged again, from the file alone
evidence_of_a_death() {
    client explain "$(sed -n 's/.*, operation //p' "$T/done")" --evidence >"$T/e"
    run "$BUILD/fence-broker-admin" verify "$T/e"
    printf '%s\n' "$output"
    [[ $status == 0 ]]
    [[ $output == *"  point 1  holds    pve3 was offline from "*"; Proxmox HA had fenced it by "*" ("*"), and so it still was at "*" names guest 103 there"$'\n'* ]]
    [[ $output == *"  point 5  holds    a list of the hosts "*": pve3 is offline, 2 of 3 are online, 2 are needed"$'\n'"off is proven" ]]
    # not by moments that do not fit
    contradicts 'offline_from_after_ms' "$(($(of_evidence fenced_from_after_ms) - 89999))" "Proxmox HA cannot have fenced the host so soon after it was offline"
    contradicts 'newest_request_after_ms' "$(($(of_evidence still_so_after_ms) + 3))" "the host was not seen dead since the newest request"
    contradicts 'proven_after_ms' "$(($(of_evidence still_so_after_ms) + 20003))" "the host was not seen dead for too long before the verdict"
    contradicts 'host_dead_after_ms' "$(($(of_evidence fenced_from_after_ms) - 1))" "what ran on the host is dead since before Proxmox HA had fenced it"
    contradicts 'online' 3 "the host is offline, and all hosts are online"
}
of_evidence() { sed -n "s/.*\"$1\":\([-0-9]*\).*/\1/p" "$T/e"; }
# contradicts KEY VALUE WORDS
contradicts() {
    sed "s/\"$1\":[-0-9]*/\"$1\":$2/" "$T/e" >"$T/changed"
    run "$BUILD/fence-broker-admin" verify "$T/changed"
    [[ $status == 2 && $output == *"THE FILE CONTRADICTS ITSELF: $3"* ]] || { echo "$output"; false; }
}
is_back() {
    sim_ctl node pve3 online
    await 30 grep -q '"ended":true' "$STATE/dead-hosts.jsonl"
}

@test "P1: a broker that is restarted knows which host Proxmox HA has fenced, and a host that came back since is none" {
    local try
    trust_ha_start
    # it must look again within 20 s, of which a busy machine has two
    for try in 1 2 3; do
        dies_and_is_fenced
        evidence_of_a_death
        broker_kill
        broker_spawn
        ! { off_by_the_clock 103 && await 5 has_reason 103 host-fenced; } || break
        ((try < 3))
        sim_ctl node pve3 online
    done
    # a lock that hides a guest is the cluster's word, and ends with no host (point 3)
    sim_ctl set 103 lock=rollback
    await 30 has_reason 103 locked
    ! off_by_the_clock 103 2>"$T/said"
    grep -q "locked (rollback) on pve3" "$T/said"
    sim_ctl set 103 lock=
    is_back
    sim_ctl node pve3 dead
    broker_kill
    broker_spawn
    ! off_by_the_clock 103 2>"$T/said"
    grep -q node-offline "$T/said"
}

lose_power_right() {
    sed -i 's/^role:FenceBroker:.*/role:FenceBroker:VM.Audit,Pool.Audit:/' "$SIM/user.cfg"
    sim_ctl reload
}

@test "P10: a lock, another HA state, a right that is lost, and a host that does not answer are told within 30 seconds" {
    idle_start
    told_in_time 101 locked sim_ctl set 101 lock=backup
    told_in_time 102 ha-error sim_ctl set 102 ha=error
    told_in_time 101 no-power-right lose_power_right
    sim_users
    sim_ctl reload
    await 30 not has_reason 103 no-power-right
    told_in_time 103 host-silent sim_ctl fault http status=596 guest=103
}

@test "P10: an endpoint that does not answer is told within 30 seconds" {
    idle_start
    told_in_time 101 one-endpoint sim_ctl fault refuse endpoint=pve2
    sim_ctl clear
    await 30 not has_reason 101 one-endpoint
    # long enough for the pace to be that of rest again
    sim_ctl stats reset
    await 60 polled 25
    told_in_time 101 one-endpoint sim_ctl fault refuse endpoint=pve1
}
