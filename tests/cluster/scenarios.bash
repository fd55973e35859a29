# The scenarios: what befalls a cluster, and what must come of it. Each begins with a whole cluster, runs under `set -e`, and leaves a cluster that
# is whole again. world.bash does and sees.
# shellcheck shell=bash

# shellcheck disable=SC2034 # these are for run
declare -A TITLE KIND
# shellcheck disable=SC2034
ALL=() QUICK=(node-killed node-frozen undead)
# scenario NAME KIND-OF-CLUSTER TITLE: runs the function scenario_NAME
scenario() {
    ALL+=("$1")
    KIND[$1]=$2
    TITLE[$1]=$3
}

# ---- kinds of clusters ----

cluster_three() { cluster_start 3 "$(device broker fence_broker)"; }

# node1 and node2: the broker, then the power of their host. node3: broker and switch port together, which turns a reboot into off, off, on, on
cluster_levels() {
    TOPOLOGY='<fencing-topology>
        <fencing-level id="level-1-1" target="node1" index="1" devices="broker"/><fencing-level id="level-1-2" target="node1" index="2" devices="host"/>
        <fencing-level id="level-2-1" target="node2" index="1" devices="broker"/><fencing-level id="level-2-2" target="node2" index="2" devices="host"/>
        <fencing-level id="level-3-1" target="node3" index="1" devices="broker,port"/>
    </fencing-topology>' \
        cluster_start 3 "$(device broker fence_broker)$(device host fence_host)$(device port fence_port)"
}

# Proxmox HA watches all hosts; or all but node2's, where the power of the host is the second level. What proves a host dead takes its time.
SLOW=(pcmk_reboot_timeout=300s pcmk_off_timeout=300s)
cluster_watched() { WITNESSES='1 2 3' cluster_start 3 "$(device broker fence_broker "${SLOW[@]}")"; }
cluster_watched_not_all() {
    TOPOLOGY='<fencing-topology>
        <fencing-level id="level-2-1" target="node2" index="1" devices="broker"/><fencing-level id="level-2-2" target="node2" index="2" devices="host"/>
    </fencing-topology>' \
        WITNESSES='1 3' cluster_start 3 "$(device broker fence_broker "${SLOW[@]}")$(device host fence_host)"
}

# node1 survives: who wants to fence it has to wait
cluster_two() { cluster_start 2 "$(device broker fence_broker "pcmk_delay_base=node1:10s;node2:0s")"; }
cluster_race() { cluster_start 2 "$(device broker fence_broker)"; }

# ---- what is promised in all of them ----

# strike NODE FAILURE: from here on the time line counts
strike() {
    VICTIM=$1 VICTIM_LIFE=$(life_of "$1") WRITER=$(writer) STRUCK=$EPOCHREALTIME
    echo "$STRUCK" >"$CLUSTER_DIR/struck"
    local log
    for log in "$CLUSTER_DIR"/nodes/*/var/log/pacemaker/pacemaker.log; do stat -c %s "$log" >"$log.struck"; done
    "$2" "$1"
}
writer() { tail -n 1 "$CLUSTER_DIR/disk" | cut -d' ' -f2,3; }

# the service runs again, and began to after the last process of the victim's life had ended. Elsewhere, as a rule; on the victim if that is back
# before the cluster has missed it.
service_recovers() {
    await "$LATEST" writes_anew
    dead_before_recovery
    one_writer
}
writes_anew() { [[ $(writer) != "$WRITER" ]]; }

death_of() { awk -v vmid="$(vmid_of "$1")" -v life="$2" '$2 == "dead" && $3 == vmid && $4 == life { print $1 }' "$CLUSTER_DIR/lives"; }

dead_before_recovery() {
    local death recovery
    death=$(death_of "$VICTIM" "$VICTIM_LIFE")
    recovery=$(awk -v since="$STRUCK" '$1 >= since && $3 == "starts" { print $1; exit }' "$CLUSTER_DIR/service")
    [[ -n $death ]] || { echo "$VICTIM was never seen dead, and its service began again at $recovery"; return 1; }
    awk -v death="$death" -v recovery="$recovery" -v struck="$STRUCK" -v victim="$VICTIM" 'BEGIN {
        printf "%s dead after %.3f s, service starts after %.3f s\n", victim, death - struck, recovery - struck
        exit !(death < recovery) }'
}

# the disk never had two writers: nobody writes again after another has begun
one_writer() {
    awk '{ who = $2 " " $3
           if (who != last && seen[who]++) { print "two writers: " who " after " last; exit 1 }
           last = who }' "$CLUSTER_DIR/disk"
}

whole_again() { await "$LATEST" cluster_is_whole; }

# owns NODE: the service is brought there, as an administrator would
owns() {
    [[ $(owner) != "$1" ]] || return 0
    in_node "$1" crm_resource --resource service --move --node "$1" >/dev/null 2>&1
    await "$LATEST" is_owner "$1"
    in_node "$1" crm_resource --resource service --clear >/dev/null 2>&1
    whole_again
}
is_owner() { [[ $(owner) == "$1" ]]; }

# ---- one node fails ----

scenario node-killed three 'a node without power: its service runs elsewhere, and the node comes back'
scenario_node_killed() {
    strike "$(owner)" kill_node
    service_recovers
    whole_again
}

scenario corosync-killed three 'corosync killed: the node, which goes on writing, is fenced first'
scenario_corosync_killed() {
    strike "$(owner)" kill_corosync
    service_recovers
    whole_again
}

scenario node-frozen three 'a node that stands still is dead before its service runs elsewhere'
scenario_node_frozen() {
    strike "$(owner)" freeze_node
    service_recovers
    whole_again
}

scenario cluster-cut three 'a node cut off the cluster network, which goes on writing, is fenced first'
scenario_cluster_cut() {
    strike "$(owner)" cut_cluster
    service_recovers
    heal "$VICTIM"
    whole_again
}

scenario all-cut three 'a node cut off the Proxmox network as well is fenced, and fences nobody'
scenario_all_cut() {
    local name lives
    VICTIM=$(owner)
    lives=$(for name in $(others "$VICTIM"); do life_of "$name"; done)
    strike "$VICTIM" cut_all
    service_recovers
    heal "$VICTIM"
    whole_again
    [[ $(for name in $(others "$VICTIM"); do life_of "$name"; done) == "$lives" ]]
}

# ---- Proxmox fails, too ----

scenario endpoint-dead three 'the API of the victim'\''s host falls silent in the same moment: the fence goes another way'
scenario_endpoint_dead() {
    VICTIM=$(owner)
    sim_ctl fault silent "endpoint=pve$(number_of "$VICTIM")"
    strike "$VICTIM" freeze_node
    service_recovers
    sim_ctl clear silent
    whole_again
}

scenario undead three 'Proxmox calls a node off whose processes live and write for five seconds more: the service waits for their end'
scenario_undead() {
    VICTIM=$(owner)
    sim_ctl fault undead "guest=$(vmid_of "$VICTIM")" ms=5000 count=1
    strike "$VICTIM" cut_cluster
    service_recovers
    # it had been called off: that long ago the stop was carried out
    awk -v death="$(death_of "$VICTIM" "$VICTIM_LIFE")" -v struck="$STRUCK" 'BEGIN { exit !(death - struck > 5) }'
    heal "$VICTIM"
    whole_again
}

scenario api-silent three 'no endpoint answers: the service does not run elsewhere until one does, and the node is dead'
scenario_api_silent() {
    VICTIM=$(owner)
    sim_ctl fault silent
    strike "$VICTIM" freeze_node
    await "$LATEST" fence_was_asked_for
    not await 8 writes_anew
    sim_ctl clear silent
    service_recovers
    whole_again
}
fence_was_asked_for() {
    sim_ctl log | "$CLUSTER_HERE/timeline" "$CLUSTER_DIR" "$STRUCK" | grep -q "Requesting peer fencing (reboot) targeting $VICTIM"
}

scenario host-dead levels 'the victim'\''s Proxmox host without power: the broker refuses to call it off, and the second level fences'
scenario_host_dead() {
    owns node2
    strike node2 host_dies
    service_recovers
    grep -h 'targeting node2 using broker' "$CLUSTER_DIR"/nodes/*/var/log/pacemaker/pacemaker.log | grep -q 'returned 1'
    grep -qF 'node-offline' "$CLUSTER_DIR"/nodes/*/var/log/pacemaker/pacemaker.log
    sim_ctl node pve2 online
    power_on node2
    whole_again
}
host_dies() { sim_ctl node "pve$(number_of "$1")" dead; }

# ---- the host dies, and nothing but Proxmox HA can tell it ----

# watched NODE: every broker has seen for long enough that HA watches its host. unwatched NODE: every broker says that nobody does.
watched() { brokers_say 0 "$1"; }
unwatched() { brokers_say "$NODES" "$1"; }
brokers_say() {
    local name targets says=0
    for name in $(node_names); do
        targets=$(in_node "$name" fence_broker targets) || return 1
        ! awk -v vmid="$(vmid_of "$2")" '$1 == vmid' <<<"$targets" | grep -q host-unwatched || says=$((says + 1))
    done
    ((says == $1))
}
# HA has taken the witness elsewhere
host_returns() {
    local host
    host=pve$(number_of "$1")
    sim_ctl node "$host" online
    sim_ctl set "$(witness_of "$1")" "node=$host"
    is_on "$1" || power_on "$1"
}
fenced_by() {
    local log
    for log in "$CLUSTER_DIR"/nodes/*/var/log/pacemaker/pacemaker.log; do tail -c "+$(($(<"$log.struck") + 1))" "$log"; done |
        grep "targeting $VICTIM using $1" | grep "returned $2" >/dev/null
}

scenario host-fenced watched 'a host dies with its node, which Proxmox HA does not manage, and with a witness: the service runs elsewhere once HA has fenced the host'
scenario_host_fenced() {
    VICTIM=$(owner)
    await "$LATEST" watched "$VICTIM"
    strike "$VICTIM" host_dies
    LATEST=400 service_recovers
    fenced_by broker 0
    host_returns "$VICTIM"
    whole_again
}

scenario host-cut watched 'a host that was only cut off, its node still writing: no success before its watchdog has reset it, and HA fenced it'
scenario_host_cut() {
    VICTIM=$(owner)
    await "$LATEST" watched "$VICTIM"
    strike "$VICTIM" host_is_cut
    LATEST=400 service_recovers
    fenced_by broker 0
    sim_ctl clear silent
    # it wrote as long as it lived
    awk -v victim="$VICTIM" -v struck="$STRUCK" -v death="$(death_of "$VICTIM" "$VICTIM_LIFE")" '
        $2 == victim && $1 <= death { last = $1 }
        END { printf "the last write: %.1f s after the cut\n", last - struck; exit !(death - struck > 50 && death - last < 1) }' "$CLUSTER_DIR/disk"
    heal "$VICTIM"
    host_returns "$VICTIM"
    whole_again
}
# from all networks: one that its API is reached by stops its guest, though that is no proof
host_is_cut() {
    sim_ctl fault silent "endpoint=pve$(number_of "$1")"
    sim_ctl node "pve$(number_of "$1")" cut
    cut_cluster "$1"
}

scenario host-dead-disarmed watched 'the same host while Proxmox HA is disarmed: its node is never called off, and the service waits'
scenario_host_dead_disarmed() {
    VICTIM=$(owner)
    await "$LATEST" watched "$VICTIM"
    sim_ctl ha disarm
    await "$LATEST" unwatched "$VICTIM"
    strike "$VICTIM" host_dies
    await "$LATEST" fenced_by broker 1
    # longer than a host takes that HA watched
    not await 160 writes_anew
    not fenced_by broker 0
    sim_ctl ha arm
    host_returns "$VICTIM"
    service_recovers
    whole_again
}

scenario host-unwatched watched_not_all 'a dead host that Proxmox HA did not watch, with trust-ha: node-offline at once, and the second level fences'
scenario_host_unwatched() {
    owns node2
    await "$LATEST" watched node1
    unwatched node2
    strike node2 host_dies
    service_recovers
    fenced_by broker 1
    fenced_by host 0
    grep -qF 'node-offline' "$CLUSTER_DIR"/nodes/*/var/log/pacemaker/pacemaker.log
    sim_ctl node pve2 online
    power_on node2
    whole_again
}

scenario migration three 'the victim is being migrated: the fence follows it to its new host'
scenario_migration() {
    local vmid from to
    VICTIM=$(owner)
    vmid=$(vmid_of "$VICTIM") from=pve$(number_of "$VICTIM") to=pve$(number_of "$(other "$VICTIM")")
    sim_ctl set "$vmid" lock=migrate
    strike "$VICTIM" freeze_node
    await "$LATEST" fence_is_under_way
    [[ $(life_of "$VICTIM") == "$VICTIM_LIFE" ]]
    sim_ctl set "$vmid" "node=$to" lock=
    service_recovers
    sim_ctl log | grep -q "POST .*/nodes/$to/qemu/$vmid/status/stop"
    whole_again
    sim_ctl set "$vmid" "node=$from"
}
# fencing_node: the node whose broker is at it
fencing_node() {
    local name
    for name in $(others "$VICTIM"); do
        ! in_node "$name" curl -sS --max-time 5 --unix-socket /run/fence-broker/broker.sock http://localhost/v1/operations 2>/dev/null |
            grep -qE '"(state|outcome)": *"(stopping|verifying|locating)"' || { echo "$name"; return 0; }
    done
    return 1
}
fence_is_under_way() { fencing_node >/dev/null; }

# ---- fencing itself is disturbed ----

scenario broker-killed three 'the broker is killed in the middle of its fence: its successor is asked, and the fence succeeds'
scenario_broker_killed() {
    local vmid fencer
    VICTIM=$(owner)
    vmid=$(vmid_of "$VICTIM")
    sim_hold stop "$vmid"
    strike "$VICTIM" freeze_node
    await "$LATEST" fence_is_under_way
    sim_held "$vmid"
    fencer=$(fencing_node)
    in_node "$fencer" pkill -KILL -o -x fence_brokerd
    [[ $(life_of "$VICTIM") == "$VICTIM_LIFE" ]]
    sim_release "$vmid"
    service_recovers
    whole_again
}

scenario four-requests three 'four requests to fence one node at once: all are told of its death, and after it'
scenario_four_requests() {
    local jobs=() asker job i
    VICTIM=$(owner)
    # it boots for longer than corosync takes to miss it, as machines do: the news of its fence waits for that, and where a node hears of its own,
    # Pacemaker ends there
    sim_ctl set "$(vmid_of "$VICTIM")" stop-ms=1000 start-ms=$((4 * COROSYNC_TOKEN_MS))
    strike "$VICTIM" true
    for i in 1 2 1 2; do
        asker=$(other "$VICTIM" "$i")
        (
            in_node "$asker" stonith_admin --reboot "$VICTIM" --timeout 60
            code=$?
            echo "$EPOCHREALTIME"
            exit "$code"
        ) >"$CLUSTER_DIR/request-${#jobs[@]}" 2>&1 &
        jobs+=("$!")
    done
    for job in "${!jobs[@]}"; do
        wait "${jobs[job]}" || { cat "$CLUSTER_DIR/request-$job"; return 1; }
        awk -v death="$(death_of "$VICTIM" "$VICTIM_LIFE")" 'END { exit !(death != "" && $1 > death) }' "$CLUSTER_DIR/request-$job"
    done
    sim_ctl set "$(vmid_of "$VICTIM")" "stop-ms=$STOP_MS" "start-ms=$START_MS"
    service_recovers
    whole_again
}

scenario off-and-on levels 'a level of two devices turns reboot into off and on: off on both, then on by both'
scenario_off_and_on() {
    owns node3
    strike node3 freeze_node
    service_recovers
    awk '{ print $2, $3, $4 }' "$CLUSTER_DIR/ports" | paste -sd, | grep -qx 'node3 port off,node3 port on'
    awk -v death="$(death_of node3 "$VICTIM_LIFE")" '$4 == "off" { exit !(death < $1) }' "$CLUSTER_DIR/ports"
    whole_again
}

# ---- two nodes ----

scenario two-nodes two 'two nodes lose sight of each other: the delay decides, and who was fenced waits for all before it fences'
scenario_two_nodes() {
    local survivor
    owns node2
    survivor=$(life_of node1)
    strike node2 cut_cluster
    service_recovers
    await "$LATEST" lives_anew node2 "$VICTIM_LIFE"
    await "$LATEST" waits_for_all node2
    is_owner node1
    heal node2
    whole_again
    [[ $(life_of node1) == "$survivor" ]]
}
# Pacemaker runs there, alone, and has decided to do nothing
waits_for_all() {
    local view
    view=$(crm "$1")
    grep -q '<current_dc present="true".* with_quorum="false"' <<<"$view" &&
        grep -qE "<node name=\"$1\" id=\"[0-9]+\" online=\"true\"" <<<"$view" &&
        in_node "$1" timeout 20 crmadmin -q -S "$1" 2>&1 | grep -q S_IDLE
}

scenario both-at-once race 'two brokers fence each other at once: one node is left, or none, and never two writers'
scenario_both_at_once() {
    local name lives=()
    owns node2
    for name in node1 node2; do
        sim_ctl set "$(vmid_of "$name")" stop-ms=1500
        lives+=("$(life_of "$name")")
    done
    strike node2 cut_cluster
    await "$LATEST" race_is_over "${lives[@]}"
    one_writer
    if ! is_on node1 && ! is_on node2; then
        not await 1 disk_goes_on "$(tail -n 1 "$CLUSTER_DIR/disk")"
    fi
    # an operator, who sees what is off
    for name in node1 node2; do
        sim_ctl set "$(vmid_of "$name")" "stop-ms=$STOP_MS"
        is_on "$name" || power_on "$name"
    done
    heal node2
    whole_again
    one_writer
}
# both are dead, or one is, the other has the service, and nothing that the dead one began is still under way
race_is_over() {
    local dead=0
    [[ -z $(death_of node1 "$1") ]] || dead=$((dead + 1))
    [[ -z $(death_of node2 "$2") ]] || dead=$((dead + 1))
    case $dead in
    2) echo 'both nodes are dead, as each had asked' ;;
    1) ! sim_ctl tasks | grep -q ' running$' && owner >/dev/null ;;
    *) return 1 ;;
    esac
}
