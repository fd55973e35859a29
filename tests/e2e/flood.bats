#!/usr/bin/env bats
# Five members of the group do their worst at once: root is admitted and right all the time, and afterwards nothing is left of it.
# shellcheck disable=SC2034,SC2154

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    source "$BATS_TEST_DIRNAME/users.bash"
    e2e_setup
    users_setup
    SIM_ARGUMENTS=(--scale 0.1)
    install -m 755 "$BATS_TEST_DIRNAME/socket-flood" "$T/bin/"
}
teardown() { fence_teardown; }

metric() { curl -fsS --unix-socket "$METRICS" http://localhost/metrics | awk -v name="$1" '$1 == name { print $2 }'; }
connections_are() { [[ $(metric 'fence_broker_connections{socket="broker"}') == "$1" ]]; }
slots_full() { (($(metric 'fence_broker_connections{socket="broker"}') >= 150)); }
files_are_at_most() { (($(open_files) <= $1)); }
# all but the connections to Proxmox: how many of those are open depends on what was asked last, and they are curl's to keep
open_files() {
    find "/proc/$BROKER_PID/fd" -mindepth 1 -printf '%l\n' |
        awk 'FNR == NR { tcp["socket:[" $10 "]"]; next } !($0 in tcp)' "/proc/$BROKER_PID/net/tcp" - | wc -l
}
anonymous_kib() { awk '/^RssAnon:/ { print $2 }' "/proc/$BROKER_PID/status"; }

# flood TOTAL HELD: by each of five users; HOLD keeps them going
flood() {
    local n
    FLOODERS=()
    rm -f "$T/flood.fifo" "$T"/flood.[1-5]
    mkfifo "$T/flood.fifo"
    exec {HOLD}<>"$T/flood.fifo"
    for n in 1 2 3 4 5; do
        # shellcheck disable=SC2094
        as "member$n" setpriv --pdeathsig KILL -- "$T/bin/socket-flood" "$SOCKET" "$1" "$2" <"$T/flood.fifo" >"$T/flood.$n" 2>&1 3>&- {HOLD}>&- &
        FLOODERS+=("$!")
    done
}
all_say() { (($(cat "$T"/flood.[1-5] | grep -c "^$1") == 5)); }
flood_end() {
    exec {HOLD}>&-
    wait "${FLOODERS[@]}" || true
}

@test "P7: five members with 10,000 connections keep nothing of root's waiting, and leave nothing behind" {
    local n files memory answer
    for n in 1 2 3 4 5; do user "member$n" "300$n" 990; done
    sim_start
    rules_start $'[access]\nenable-acl = no'
    # what a daemon needs for good once it has served so many at a time
    flood 300 40
    await 30 all_say done
    "$T/bin/socket-flood" "$SOCKET" ask 200 '/v1/guests?view=list' >/dev/null
    flood_end
    await 30 connections_are 0
    fence 103 -o reboot -n vm103
    fence 102 -o reboot -n vm102
    files=$(open_files) memory=$(anonymous_kib)

    flood 2000 40 # each over its 32
    await 30 all_say full
    read -r good _ <<<"$("$T/bin/socket-flood" "$SOCKET" ask 100 '/v1/guests?view=list')"
    is "$good" 100
    await 30 slots_full
    fence 101 -o off -n vm101
    succeeded
    read -r good _ <<<"$("$T/bin/socket-flood" "$SOCKET" ask 100 '/v1/status?view=monitor')"
    is "$good" 100
    await 60 all_say "done 20"
    fence 102 -o off -n vm102
    succeeded
    flood_end

    await 30 connections_are 0
    await 30 files_are_at_most "$files"
    echo "# RssAnon $memory KiB before, $(anonymous_kib) KiB after" >&3
    at_most "$(anonymous_kib)" $((memory + 1024)) "KiB, from $memory"
    next_fence_works 103
}

@test "P7: a member that asks for a guest's state and hangs up, again and again, is hardly felt at Proxmox" {
    local began took
    user member1 3001 990
    sim_start
    rules_start $'[access]\nenable-acl = no'
    sim_ctl stats reset
    began=$(now_ms)
    as member1 "$T/bin/socket-flood" "$SOCKET" leave 3000 /v1/guests/101
    took=$(($(now_ms) - began))
    at_most "$(sim_calls status)" $((32 + took / 50 + 2)) "reads in $took ms"
    is "$(client -o status -n vm101)" "Status: ON"
    fence 101 -o off -n vm101
    succeeded
    await 30 connections_are 0
}

# rush TARGET [HOW]: a member asks and hangs up, again and again; HOLD keeps it going
rush() {
    rm -f "$T/rush.fifo" "$T/rush"
    mkfifo "$T/rush.fifo"
    exec {HOLD}<>"$T/rush.fifo"
    # shellcheck disable=SC2094
    as member1 setpriv --pdeathsig KILL -- "$T/bin/socket-flood" "$SOCKET" "${2:-rush}" "$1" <"$T/rush.fifo" >"$T/rush" 2>&1 3>&- {HOLD}>&- &
    RUSHER=$!
}
rush_end() {
    exec {HOLD}>&-
    wait "$RUSHER"
    ASKED=$(awk 'END { print $2 }' "$T/rush")
}

@test "P7: a member that asks and hangs up, again and again, costs neither a report nor a read of Proxmox for each" {
    local target reads
    user member1 3001 990
    sim_start
    rules_start $'[access]\nenable-acl = no'
    for target in /v1/doctor /v1/permissions /v1/guests/101; do
        sim_ctl stats reset
        rush "$target"
        await 30 grep -q 'asked 1000' "$T/rush"
        fence 102 -o reboot -n vm102
        succeeded
        rush_end
        reads=$(sim_stat requests)
        echo "# $target asked $ASKED times: $reads requests at Proxmox" >&3
        ((ASKED >= 1000 && reads < ASKED / 2))
        await 30 connections_are 0
    done
    next_fence_works 103
}

@test "P7: root is served before all that waits, and of those who hung up nobody is" {
    local n
    user member1 3001 990
    sim_start
    rules_start $'[access]\nenable-acl = no'
    kill -STOP "$BROKER_PID"
    rush /v1/guests/103/off # a thousand of them in the line
    await 30 grep -q 'asked 1000' "$T/rush"
    rush_end
    client -o off -n vm101 >"$T/root" 2>&1 3>&- &
    n=$!
    kill -CONT "$BROKER_PID"
    wait "$n"
    guest_dead 101
    await 30 connections_are 0
    guest_alive 103
    refute broker_said "off of vm103"
    next_fence_works 103
}

# in_line SOCKET: how many wait there to be accepted
in_line() { ss -Hxl | awk -v path="$1" '$5 == path { print $3 }'; }
root_is_in_line() { (($(in_line "$SOCKET.root") == 1)); }

# Whoever never waits for his place takes each that comes free: who does wait (or looks again now and then) would have none.
@test "P7: a member that fills the line again and again keeps nobody out of root's own" {
    user member1 3001 990
    sim_start
    rules_start $'[access]\nenable-acl = no'
    kill -STOP "$BROKER_PID"
    rush /v1/doctor crowd
    await 30 grep -q full "$T/rush"
    client -o off -n vm101 >"$T/root" 2>&1 3>&- &
    n=$!
    await 30 root_is_in_line
    kill -CONT "$BROKER_PID"
    wait "$n"
    guest_dead 101
    fence 102 -o reboot -n vm102
    succeeded
    rush_end
    await 30 connections_are 0
    is "$(stat -c '%a %u' "$SOCKET.root")" "600 0"
    next_fence_works 103
}

@test "P7: an older broker has no door of root's own: its socket is asked; and a door that cannot be made is said" {
    sim_start
    mkdir -p "$T/run"
    : >"$SOCKET.root"
    rules_start $'[access]\nenable-acl = no'
    broker_said "root has no socket of its own and waits in line with the group: $SOCKET.root exists and is not a socket"
    fence 101 -o off -n vm101
    succeeded
}

# made_by USER PATH: a socket of the user's there, where he listens until ALIEN ends
made_by() {
    as "$1" setpriv --pdeathsig KILL -- perl -MSocket -e 'socket(my $s, PF_UNIX, SOCK_STREAM, 0); bind($s, pack_sockaddr_un($ARGV[0])) or die;
        listen($s, 5); chmod 0666, $ARGV[0]; sleep' "$2" </dev/null >/dev/null 2>&1 3>&- &
    ALIEN=$!
    await 30 test -S "$2"
}

@test "P7: a member who listens where root's own door would be keeps no fence out" {
    user member1 3001 990
    sim_start
    chmod 1777 "$T/run"
    made_by member1 "$SOCKET.root"
    rules_start $'[access]\nenable-acl = no'
    broker_said "root has no socket of its own and waits in line with the group: something already listens on $SOCKET.root"
    fence 101 -o off -n vm101
    succeeded
    guest_dead 101
    end_process "$ALIEN" TERM || true
}

# of lib.bash: without users of the test's own
spawn_limited() {
    spawn "$T/broker.log" bash -c 'ulimit $1 && exec "$2" -c "$3"' - "$1" "$BUILD/fence_brokerd" "$CONFIG"
    BROKER_PID=$SPAWNED
    ln -sf broker.log.err "$T/broker.err"
    await 30 broker_listens
    await 30 client -o monitor -q
}

@test "P7: with too few descriptors the broker does not start and says what it needs; with few it serves fewer, and root" {
    user member1 3001 990
    sim_start
    broker_configure socket.group=root
    run bash -c 'ulimit -n 24 && exec timeout 20 "$1" -c "$2"' - "$BUILD/fence_brokerd" "$CONFIG"
    is "$status" 1
    like "$output" *'the limit of open files is 24, and the broker needs 256'*'LimitNOFILE=1024'*

    spawn_limited '-S -n 24' # one that it may raise itself
    is "$(metric process_max_fds)" 1024
    broker_stop

    spawn_limited '-n 256'
    # all the connections that it has room for, and some more; none of them waits for ever
    mkfifo "$T/hold"
    exec {HOLD}<>"$T/hold"
    "$T/bin/socket-flood" "$SOCKET" 400 200 <"$T/hold" >"$T/flood.1" 2>&1 3>&- {HOLD}>&- &
    FLOODERS=("$!")
    await 60 grep -q '^done' "$T/flood.1"
    flood_end
    await 30 connections_are 0
    fence 101 -o off -n vm101
    succeeded
    next_fence_works 103
}

@test "P7: a member that holds more connections than it may does not keep other members out" {
    user member1 3001 990
    user member2 3002 990
    user member3 3003 990
    user member4 3004 990
    user member5 3005 990
    user other 3006 990
    sim_start
    rules_start $'[access]\nenable-acl = no'
    flood 100 40 # each over its 32
    await 30 all_say done
    as other "$T/bin/socket-flood" "$SOCKET" ask 20 '/v1/guests?view=list' >"$T/other"
    read -r good _ <"$T/other"
    is "$good" 20
    at_least "$(curl -fsS --unix-socket "$METRICS" http://localhost/metrics | awk '/^fence_broker_connections_refused_total\{socket="broker"/ { print $2 }')" 1
    flood_end
}
