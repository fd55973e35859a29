# Shared by all tests with a real broker: a private directory, pvesim with guests in it, fence_brokerd against it, and eyes of its own on
# the guests. It knows how these programs are started and ended, and nothing of what a test wants to see.
#
#   setup()    { e2e_setup; sim_start; broker_start; }
#   teardown() { e2e_teardown; }
#   @test "…"  { client -o off -n vm101; guest_dead 101; }
#
# Start things from the test's own shell, not in "$(…)" or `run`: they die with the shell that started them, so that a killed test leaves
# nothing behind. BUILD names the build directory (default build).
# shellcheck shell=bash

TOKEN_SECRET=11111111-2222-3333-4444-555555555555
OPERATOR_PASSWORD=five-hosts-and-a-switch

# T: the test's directory; SIM: pvesim's; SOCKET, METRICS, STATE: the broker's
e2e_setup() {
    ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
    BUILD=${BUILD:-build}
    [[ $BUILD == /* ]] || BUILD=$ROOT/$BUILD
    T=$(mktemp -d "${TMPDIR:-/tmp}/fence-broker-e2e.XXXXXX")
    chmod 755 "$T"
    SIM=$T/sim SOCKET=$T/run/broker.sock METRICS=$T/run/metrics.sock STATE=$T/state CONFIG=$T/fence-broker.conf
    mkdir -m 755 "$SIM" "$T/run" "$T/seen"
    mkdir -m 750 "$STATE"
    SIM_PID='' BROKER_PID='' SIM_ARGUMENTS=() BROKER_COMMAND=()
    [[ -x $BUILD/fence_broker && -x $BUILD/fence_brokerd && -x $BUILD/pvesim ]] || missing "nothing is built in $BUILD: make"
}

# always the last thing; shows the broker's log of a test that failed
e2e_teardown() {
    [[ -z ${BROKER_PID:-} ]] || end_process "$BROKER_PID" KILL || true
    [[ -z ${SIM_PID:-} ]] || end_process "$SIM_PID" TERM || true
    if [[ -z ${BATS_TEST_COMPLETED:-} && -n ${BATS_TEST_DIRNAME:-} && -s ${T:-}/broker.log.err ]]; then
        printf -- '--- the broker said\n' >&2
        tail -n 60 "$T/broker.log.err" >&2
    fi
    [[ -z ${T:-} ]] || rm -rf "$T"
    return 0
}

# missing WHY: what this test needs is not here: skipped, but a failure in CI, where all of it must be
missing() {
    if [[ ${CI:-} == true ]]; then
        printf 'not skipped in CI: %s\n' "$1" >&2
        return 1
    fi
    declare -F skip >/dev/null || { printf "%s\n" "$1" >&2; return 1; }
    skip "$1"
}

# not COMMAND…: fails if COMMAND succeeds; a bare "!" in the middle of a test is never a failure
not() {
    if "$@"; then
        printf 'succeeded, and must not: %s\n' "$*" >&2
        return 1
    fi
}

# ---- waiting ----

# await SECONDS COMMAND…: until COMMAND succeeds, looking 50 times a second
await() {
    local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000)) never
    shift
    exec {never}<> <(:)
    while ! "$@" 2>/dev/null; do
        if ((${EPOCHREALTIME/[.,]/} > end)); then
            exec {never}<&-
            printf 'waited in vain for: %s\n' "$*" >&2
            return 1
        fi
        read -r -t 0.02 -u "$never" || true
    done
    exec {never}<&-
}

# milliseconds, for durations
now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# stalled_ms: how long somebody on this machine has waited for a CPU or a disk, since it was started (0: this kernel does not tell)
stalled_ms() { cat /proc/pressure/{cpu,io} 2>/dev/null | awk -F= '/^some/ { us += $NF } END { printf "%d\n", us / 1000 }'; }

# stopwatch_start, stopwatch_read: took and stalled (ms) are how long it was, and how much of that somebody waited
stopwatch_start() { STARTED=$(now_ms) STALLED=$(stalled_ms); }
# shellcheck disable=SC2034
stopwatch_read() { took=$(($(now_ms) - STARTED)) stalled=$(($(stalled_ms) - STALLED)); }

# within MS [WORDS]: what was timed last took no longer, but for what a busy machine made it wait
within() {
    ((took <= $1 + stalled)) || { printf 'took %d ms, of which somebody waited %d, not at most %d (%s)\n' "$took" "$stalled" "$1" "${2:-}" >&2; return 1; }
}

# takes_at_most MS COMMAND…
takes_at_most() {
    local limit=$1 took stalled code=0
    shift
    stopwatch_start
    "$@" || code=$?
    stopwatch_read
    within "$limit" "$*" || return 1
    return "$code"
}

# has_ended PID: gone, or a zombie that waits for its parent
has_ended() {
    local state
    state=$(sed -E 's/^.*\) (.).*/\1/' "/proc/$1/stat" 2>/dev/null) || return 0
    [[ -z $state || $state == Z || $state == X ]]
}

# end_process PID SIGNAL: and wait for its end, by force after a minute; its exit status
end_process() {
    local code=0
    # it may have ended by itself, and then there is nobody to signal
    kill -s "$2" "$1" 2>/dev/null || true
    kill -s CONT "$1" 2>/dev/null || true
    await 60 has_ended "$1" || kill -s KILL "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || code=$?
    return "$code"
}

# spawn LOG COMMAND…: in the background with its output in LOG; it dies with this shell. Its pid is SPAWNED.
spawn() {
    local log=$1
    shift
    setpriv --pdeathsig KILL -- "$@" </dev/null >"$log" 2>"$log.err" 3>&- &
    SPAWNED=$!
}

# ---- pvesim ----

# sim_users: user.cfg and secrets: the broker's token, and a person with the same rights
sim_users() {
    cat >"$SIM/user.cfg" <<-END
	user:fence@pve:1:0::::::
	user:operator@pve:1:0::::::
	token:fence@pve!broker:0:1::
	pool:nfs_cluster::101,102,103,120::
	role:FenceBroker:VM.PowerMgmt,VM.Audit,Pool.Audit:
	acl:1:/pool/nfs_cluster:fence@pve,operator@pve,fence@pve!broker:FenceBroker:
	END
    printf '%s\n' "fence@pve not-used" "fence@pve!broker $TOKEN_SECRET" "operator@pve $OPERATOR_PASSWORD" >"$SIM/secrets"
}

# sim_guests: three hosts, of which two have an API endpoint; four guests of the pool and a stranger (200)
sim_guests() {
    cat >"$SIM/cluster.conf" <<-END
	version 9.2.11
	node pve1
	node pve2
	node pve3
	listen pve1 127.0.0.1:0
	listen pve2 127.0.0.1:0
	guest 101 qemu pve1 vm101 running=1 uuid=11111111-2222-3333-4444-555555555555
	guest 102 qemu pve2 vm102 running=1
	guest 103 qemu pve3 vm103 running=1
	guest 120 lxc pve2 ct120 running=1
	guest 200 qemu pve1 stranger running=1
	END
}

# sim_start [cluster.conf's LINE…]: with the lines added; a user.cfg, secrets or cluster.conf in SIM is taken as it is.
# SIM_ARGUMENTS go to pvesim, e.g. (--scale 0.1).
sim_start() {
    local guest
    [[ -e $SIM/user.cfg ]] || sim_users
    [[ -e $SIM/cluster.conf ]] || sim_guests
    (($# == 0)) || printf '%s\n' "$@" >>"$SIM/cluster.conf"
    sim_spawn
    for guest in $(sed -nE "s,^guest ([0-9]+) .*,\\1,p" "$SIM/cluster.conf"); do
        guest_note "$guest"
    done
}

# sim_spawn: starts pvesim with what is in SIM; no guest is noted, which takes long if they are many
sim_spawn() {
    rm -f "$T/pvesim.log" # of an earlier one, which was ready
    spawn "$T/pvesim.log" "$BUILD/pvesim" --dir "$SIM" "${SIM_ARGUMENTS[@]}"
    SIM_PID=$SPAWNED
    await 60 grep -qs '^pvesim: ready' "$T/pvesim.log" || { cat "$T/pvesim.log.err" >&2; return 1; }
}

# sim_stop: with all its guests; its exit status must be 0
sim_stop() {
    local pid=$SIM_PID code=0
    SIM_PID=''
    end_process "$pid" TERM || code=$?
    ((code == 0)) || { printf 'pvesim ended with %d\n' "$code" >&2; cat "$T/pvesim.log.err" >&2; return 1; }
}

# sim_ctl WORDS…: see pvesim --help
sim_ctl() { "$BUILD/pvesim" ctl "$SIM" "$@"; }

# sim_hold CALL VMID: such a task of the guest stands still before its deed; sim_held VMID: waits until one does; sim_release VMID
sim_hold() { sim_ctl fault held "call=$1" "guest=$2"; }
sim_held() { sim_ctl wait "$1" held 60000; }
sim_release() { sim_ctl clear held "guest=$1"; }

# sim_calls CALL: how often CALL (stop, status, …) was asked since the last `sim_ctl stats reset`
sim_calls() { sim_ctl stats | awk -v call="$1" '$1 == "call" && $2 == call { n = $3 } END { print n + 0 }'; }
# sim_stat NAME: requests, handshakes, connections or logins since then
sim_stat() { sim_ctl stats | awk -v name="$1" '$1 == name { n = $2 } END { print n + 0 }'; }

# ---- the broker ----

# broker_configure [SECTION.KEY=VALUE…]: writes the configuration; a key given here replaces the default's lines for it, and
# SECTION.KEY= alone leaves it out. Nothing is rehearsed unless a test wants it: many count what reaches pvesim.
broker_configure() {
    local item key section name lines
    lines=$(sed 's/^[^ ]* /proxmox.endpoint=/' "$SIM/endpoints" 2>/dev/null)
    lines+=$'\n'"proxmox.token-id=fence@pve!broker
proxmox.secret-file=$T/secret
proxmox.ca-file=$SIM/pve-root-ca.pem
proxmox.pool=nfs_cluster
proxmox.check-interval=0
socket.path=$SOCKET
socket.metrics-path=$METRICS
socket.group=$(id -gn)
state.directory=$STATE
proxmox.rehearse-interval=0"
    for item in "$@"; do
        lines=$(grep -vF "${item%%=*}=" <<<"$lines")
    done
    for item in "$@"; do
        [[ -z ${item#*=} ]] || lines+=$'\n'$item
    done
    (umask 077 && [[ -e $T/secret ]] || printf '%s\n' "$TOKEN_SECRET" >"$T/secret")
    for section in $(sed -n 's/\..*//p' <<<"$lines" | sort -u); do
        printf '[%s]\n' "$section"
        while IFS= read -r item; do
            [[ $item == "$section".* ]] || continue
            key=${item%%=*} name=${key#*.}
            printf '%s = %s\n' "$name" "${item#*=}"
        done <<<"$lines"
    done >"$CONFIG"
    chmod 640 "$CONFIG"
}

# broker_spawn: starts the broker (BROKER_COMMAND, by default the one that was built) with the configuration there is, and waits for its
# socket only
broker_spawn() {
    ((${#BROKER_COMMAND[@]})) || BROKER_COMMAND=("$BUILD/fence_brokerd")
    spawn "$T/broker.log" "${BROKER_COMMAND[@]}" -c "$CONFIG"
    BROKER_PID=$SPAWNED
    ln -sf broker.log.err "$T/broker.err"
    await 60 broker_listens || { cat "$T/broker.log" "$T/broker.log.err" >&2; return 1; }
}

broker_listens() {
    has_ended "$BROKER_PID" && return 1
    curl -fsS -o "$T/listens" --max-time 5 --unix-socket "$METRICS" http://localhost/metrics
}

# broker_start [SECTION.KEY=VALUE…]: configures and starts it; returns when it could fence
broker_start() {
    broker_configure "$@"
    broker_spawn
    await 60 client -o monitor -q || { client -o monitor; cat "$T/broker.log" "$T/broker.log.err"; } >&2
}

# broker_stop: as systemd does; its exit status must be 0
broker_stop() {
    local pid=$BROKER_PID code=0
    BROKER_PID=''
    end_process "$pid" TERM || code=$?
    ((code == 0)) || { printf 'fence_brokerd ended with %d\n' "$code" >&2; return 1; }
}

# broker_kill: as the kernel does
broker_kill() {
    local pid=$BROKER_PID
    BROKER_PID=''
    end_process "$pid" KILL || true
}

# remember_an_hour: an operation of an hour ago in the broker's history, which does not run
remember_an_hour() {
    perl -e 'my ($n, $id) = ((time - 3600) * 1000, ""); my $ms = $n;
        while ($n) { $id = (0 .. 9, "a" .. "z")[$n % 36] . $id; $n = int($n / 36) }
        print qq({"v":1,"kind":"outcome","id":"$id","ms":$ms,"requested_ms":$ms,"action":"on","plug":"vm101","vmid":101,"outcome":"done","ended_offset_ms":31}\n)' >>"$STATE/history.jsonl"
}

# client ARGUMENT…: the client against this broker
client() { "$BUILD/fence_broker" "$@" --socket "$SOCKET" </dev/null; }

# agent KEY=VALUE…: the same as Pacemaker does it, on standard input
agent() { printf '%s\n' "socket=$SOCKET" "$@" | "$BUILD/fence_broker"; }

# ask METHOD TARGET [curl's ARGUMENT…]: the socket itself, e.g. ask GET /v1/status -H Accept:text/plain
ask() {
    local method=$1 target=$2
    shift 2
    curl -sS --max-time 60 --unix-socket "$SOCKET" -X "$method" "$@" "http://localhost$target"
}

# ---- the guests, as the kernel has them: pvesim is asked for nothing here ----

# guest_init VMID: PID 1 of the guest on this machine, a child of pvesim with the guest's name
guest_init() {
    local child
    for child in $(cat "/proc/$SIM_PID/task"/*/children 2>/dev/null); do
        if [[ $(cat "/proc/$child/comm" 2>/dev/null) == "pvesim-$1" ]] && ! has_ended "$child"; then
            echo "$child"
            return 0
        fi
    done
    return 1
}

# started PID: when, in the kernel's ticks; tells a process from a later one with its number. Nothing if it has ended.
started() {
    has_ended "$1" || sed -E 's/^.*\) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20
}

# guest_life VMID: tells one life of a guest from the next
guest_life() {
    local init
    init=$(guest_init "$1") && echo "$init $(started "$init")" || echo dead
}

# guest_note VMID: remembers this life of the guest (first process and PID namespace), to recognize what is left of it later
guest_note() {
    local life
    life=$(guest_life "$1")
    [[ $life == dead ]] || echo "$life $(ps -o pidns= -p "${life% *}")" >>"$T/seen/$1"
}

# guest_processes VMID: every living process of every life of the guest that this test has seen. A namespace lives no longer than its first
# process, and its number is soon another's; where pvesim may not make namespaces a guest is a session.
guest_processes() {
    local init start space own
    own=$(ps -o pidns= -p $$)
    guest_note "$1"
    [[ -s $T/seen/$1 ]] || return 0
    while read -r init start space; do
        if ((space == own)); then
            ps -e -o pid=,stat=,sess= | awk -v session="$init" '$2 !~ /^[ZX]/ && $3 == session { print $1 }'
        elif [[ $(started "$init") == "$start" ]]; then
            ps -e -o pid=,stat=,pidns= | awk -v space="$space" '$2 !~ /^[ZX]/ && $3 == space { print $1 }'
        fi
    done < <(sort -u "$T/seen/$1")
}

disk_size() { stat -c %s "$SIM/disk/$1" 2>/dev/null || echo 0; }
disk_has_grown() { (($(disk_size "$1") > $2)); }

# guest_alive VMID: it has processes, and they write to its disk
guest_alive() {
    [[ -n $(guest_processes "$1") ]] || { printf 'guest %s has no process\n' "$1" >&2; return 1; }
    await 30 disk_has_grown "$1" "$(disk_size "$1")"
}

# guest_dead VMID: not one process is left of it, and nothing writes to its disk any more (a living guest writes every 20 ms)
guest_dead() {
    local left size never
    [[ -s $T/seen/$1 ]] || { printf "guest %s was never seen alive\n" "$1" >&2; return 1; }
    left=$(guest_processes "$1")
    [[ -z $left ]] || { printf 'guest %s lives:\n' "$1" >&2; ps -o pid,stat,comm -p "${left//$'\n'/,}" >&2; return 1; }
    size=$(disk_size "$1")
    exec {never}<> <(:)
    read -r -t 0.1 -u "$never" || true
    exec {never}<&-
    ! disk_has_grown "$1" "$size" || { printf 'guest %s still writes to its disk\n' "$1" >&2; return 1; }
}
