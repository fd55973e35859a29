# A cluster under test: its networks, its start and end, what can be done to it, and what can be seen of it. Knows no scenario.
#
# All of it lives in namespaces that `enter` has made: when their first process ends, every process, mount and network of the cluster is gone.
# Needs tests/e2e/lib.bash and files.bash.
# shellcheck shell=bash

LATEST=180  # seconds; nothing here takes so long, on any machine
# shellcheck disable=SC2034 # for files.bash
STOP_MS=300 # what a guest takes to stop, unless it is told otherwise
START_MS=0  # and until its processes run after a start
SIM=$CLUSTER_DIR/pvesim
NODES=''

# ---- the ground: once a run ----

# over DIRECTORY FILE…: the directory as it is, plus these programs, for this run only
over() {
    local place=$1 name=${1//\//_} room=$CLUSTER_DIR/over
    shift
    mkdir -p "$room"
    mountpoint -q "$room" || mount -t tmpfs tmpfs "$room"
    mkdir -p "$room/$name"/{upper,work}
    if ! mount -t overlay overlay -o "lowerdir=$place,upperdir=$room/$name/upper,workdir=$room/$name/work" "$place" 2>/dev/null; then
        cp -a "$place/." "$room/$name/upper" && mount --bind "$room/$name/upper" "$place"
    fi
    (($# == 0)) || install -m 755 "$@" "$place/"
}

# two switches, cluster and api; the hosts' addresses are on the second, where pvesim listens
ground_lay() {
    local i switch
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir -p /run/netns /run/lock
    over /usr/sbin "$BUILD/fence_broker" "$BUILD/fence-broker-admin"
    install -m 755 "$CLUSTER_HERE/fence_other" /usr/sbin/fence_host
    install -m 755 "$CLUSTER_HERE/fence_other" /usr/sbin/fence_port
    over /usr/lib/ocf/resource.d
    install -D -m 755 "$CLUSTER_HERE/service" /usr/lib/ocf/resource.d/fence-broker-test/service
    ip link set lo up
    for switch in cluster api; do
        ip link add "$switch" type bridge forward_delay 0
        ip link set "$switch" up
    done
    for i in 1 2 3; do
        ip address add "$(host_address "pve$i")/24" dev api
    done
}

# plug_in NODE: its two cables. The switches' ends are called NODE-cluster and NODE-api.
plug_in() {
    local network address
    ip netns add "$1"
    ip -n "$1" link set lo up
    for network in cluster api; do
        address=$("${network}_address" "$1")
        ip link add "$1-$network" type veth peer name "$network" netns "$1"
        ip link set "$1-$network" master "$network" up
        ip -n "$1" address add "$address/24" dev "$network"
        ip -n "$1" link set "$network" up
    done
}

# ---- start and end ----

# cluster_start NODES DEVICES-XML: returns when the cluster is whole
cluster_start() {
    local name
    # shellcheck disable=SC2034 # for files.bash
    NODES=$1 DEVICES=$2
    rm -rf "$SIM" "$CLUSTER_DIR/nodes"
    rm -f "$CLUSTER_DIR"/{disk,service,lives,ports,pvesim.log*}
    write_sim
    (umask 077 && echo "$TOKEN_SECRET" >"$CLUSTER_DIR/secret")
    for name in $(node_names); do
        write_disk "$name"
        plug_in "$name"
    done
    : >"$CLUSTER_DIR/disk"
    : >"$CLUSTER_DIR/service"
    spawn "$CLUSTER_DIR/pvesim.log" "$BUILD/pvesim" --dir "$SIM"
    SIM_PID=$SPAWNED
    # what it sees is held against time stamps of others: it must not wait for its turn
    spawn "$CLUSTER_DIR/lives" nice -n -19 "$CLUSTER_HERE/coroner" "$SIM_PID"
    CORONER_PID=$SPAWNED
    await 20 grep -qs '^pvesim: ready' "$CLUSTER_DIR/pvesim.log" || { cat "$CLUSTER_DIR/pvesim.log.err"; return 1; }
    await "$LATEST" cluster_is_whole
}

cluster_stop() {
    local name
    [[ -z ${SIM_PID:-} ]] || end_process "$SIM_PID" TERM || true
    [[ -z ${CORONER_PID:-} ]] || end_process "$CORONER_PID" KILL || true
    SIM_PID='' CORONER_PID=''
    for name in $(ip netns list | cut -d' ' -f1); do
        ip netns del "$name"
        ip link del "$name-cluster" 2>/dev/null || true
        ip link del "$name-api" 2>/dev/null || true
    done
}

# ---- looking ----

sim_ctl() { "$BUILD/pvesim" ctl "$SIM" "$@"; }

# life_of NODE: the first process of its present life; nothing if it is dead
life_of() {
    awk -v vmid="$(vmid_of "$1")" '$3 == vmid { life = $2 == "born" ? $4 : "" } END { if (life != "") print life; else exit 1 }' "$CLUSTER_DIR/lives"
}
# shell_of NODE: the process in all of its namespaces
shell_of() {
    local child life
    life=$(life_of "$1") || return 1
    # shellcheck disable=SC2013
    for child in $(cat "/proc/$life/task"/*/children 2>/dev/null); do
        [[ $(cat "/proc/$child/comm" 2>/dev/null) != node ]] || { echo "$child"; return 0; }
    done
    return 1
}
# in_node NODE COMMAND…
in_node() {
    local shell
    shell=$(shell_of "$1") || return 255
    shift
    nsenter -t "$shell" -m -u -i -n -p -- "$@"
}
is_off() { ! life_of "$1" >/dev/null; }
is_on() { life_of "$1" >/dev/null; }
lives_anew() { [[ $(life_of "$1") != "$2" ]] && is_on "$1"; }

# crm NODE: the cluster as this node has it
crm() { in_node "$1" timeout 20 crm_mon -1 --output-as=xml 2>/dev/null; }

# sees NODE COUNT: NODE sees so many nodes online, a controller that has nothing left to do, the service and what fences started
sees() {
    local view dc
    view=$(crm "$1") || return 1
    (($(grep -cE '<node name="[^"]*" id="[0-9]+" online="true".* pending="false"' <<<"$view") == $2)) || return 1
    ! grep -E '<resource [^>]*(role="Stopped"|failed="true"|pending=")' <<<"$view" | grep -qv 'target_role="Stopped"' || return 1
    grep -qE '<resource id="service"[^>]* role="Started"' <<<"$view" || return 1
    dc=$(sed -nE 's/.*<current_dc present="true"[^>]* name="([^"]+)".*/\1/p' <<<"$view")
    [[ -n $dc ]] && in_node "$1" timeout 20 crmadmin -q -S "$dc" 2>&1 | grep -q S_IDLE
}
brokers_are_ready() {
    local name
    for name in $(node_names); do
        in_node "$name" timeout 20 fence_broker -o monitor -q || return 1
    done
}
# every node sees all others, and the service runs on one of them
cluster_is_whole() {
    local name
    for name in $(node_names); do
        is_on "$name" && sees "$name" "$NODES" || return 1
    done
    brokers_are_ready
    [[ -n $(owner) ]]
}

# owner: the node that writes to the service's disk now
owner() {
    local last again
    last=$(tail -n 1 "$CLUSTER_DIR/disk")
    [[ -n $last ]] || return 1
    await 3 disk_goes_on "$last" || return 1
    again=$(tail -n 1 "$CLUSTER_DIR/disk")
    cut -d' ' -f2 <<<"$again"
}
disk_goes_on() { [[ $(tail -n 1 "$CLUSTER_DIR/disk") != "$1" ]]; }
others() { node_names | grep -vx "$1"; }
other() { others "$1" | head -n "${2:-1}" | tail -n 1; }

# ---- doing ----

# processes_of NODE: all of its present life but the first, which is the host's (QEMU)
processes_of() {
    local life space
    life=$(life_of "$1") || return 0
    space=$(ps -o pidns= -p "$life")
    ps -e -o pid=,pidns=,comm= | awk -v space="$space" -v life="$life" '$2 == space && $1 != life && $3 !~ /^vhost-/ { print $1 }'
}
# the guest's system stands still, its QEMU does not
freeze_node() {
    local left
    for ((;;)); do
        # shellcheck disable=SC2046
        kill -s STOP $(processes_of "$1") 2>/dev/null || true
        left=$(ps -o pid=,stat= -p "$(processes_of "$1" | paste -sd, -)" | grep -vE ' [TZXD]' || true)
        [[ -n $left ]] || return 0
    done
}
kill_node() { sim_ctl kill "$(vmid_of "$1")" >/dev/null; }
kill_corosync() { in_node "$1" pkill -KILL -x corosync; }
cut_cluster() { ip link set "$1-cluster" down; }
cut_api() { ip link set "$1-api" down; }
cut_all() {
    cut_cluster "$1"
    cut_api "$1"
}
heal() {
    ip link set "$1-cluster" up
    ip link set "$1-api" up
}
power_on() { sim_ctl start "$(vmid_of "$1")" >/dev/null; }
