# Fencing with a witness: every exit 0 of an off or a reboot is held against the processes that the guest had when it was asked for (P1).
# Belongs to lib.bash, which starts everything; this file knows what a fence may say, and how to look at its record.
# shellcheck shell=bash disable=SC2034,SC2154

load_e2e() {
    # shellcheck source=lib.bash
    source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"
}
load_e2e

# ---- fences ----

# victims VMID ARGUMENT…: the pids that must be dead when this fence says that it is done: the guest's processes; with method=cycle QEMU
# itself stays, and its payload must go
victims() {
    local vmid=$1
    shift
    if [[ " $* " == *" cycle "* ]]; then
        sim_ctl guests | sed -nE "s/^$vmid .* payload=([0-9]+) .*/\\1/p"
    else
        guest_processes "$vmid"
    fi
}

# fence_begin NAME VMID ARGUMENT…: the client, in the background
fence_begin() {
    local name=$1 vmid=$2
    shift 2
    rm -f "$T/$name.report"
    # shellcheck disable=SC2046
    spawn "$T/$name.out" "$BATS_TEST_DIRNAME/witness" "$T/$name.report" $(victims "$vmid" "$@") -- \
        "$BUILD/fence_broker" "$@" --socket "$SOCKET"
    printf '%s\n' "$SPAWNED" "$*" >"$T/$name.fence"
}

# fence_end NAME: waits for its end; sets status, took and stalled (ms, see within), out, err. Fails if it said "done" about a guest that lived.
fence_end() {
    local pid words alive
    { read -r pid; read -r words; } <"$T/$1.fence"
    wait "$pid" || true
    { read -r status; read -r took stalled; read -r alive; } <"$T/$1.report"
    out=$(<"$T/$1.out") err=$(<"$T/$1.out.err")
    if [[ $status == 0 && $words == *@(off|reboot)* && $words != *dry-run* && -n $alive ]]; then
        printf 'P1 VIOLATED: "%s" ended with 0 while the guest still had the processes %s\n' "$words" "$alive" >&2
        return 1
    fi
}

# fence VMID ARGUMENT…
fence() {
    fence_begin fence "$@"
    fence_end fence
}

fence_goes_on() { [[ ! -e $T/$1.report ]]; }

succeeded() {
    [[ $status == 0 ]] || { printf 'exit %s, not 0: %s\n' "$status" "$err" >&2; return 1; }
}

# failed CODE [GLOB]: exit 1, one line on stderr that has the glob in it; the newest operation's code is CODE
failed() {
    [[ $status == 1 ]] || { printf 'exit %s, not 1: %s%s\n' "$status" "$out" "$err" >&2; return 1; }
    [[ $(wc -l <<<"$err") == 1 ]] || { printf 'not one line: %s\n' "$err" >&2; return 1; }
    # shellcheck disable=SC2053
    [[ $err == *"${2:-}"* || $err == *${2:-}* ]] || { printf 'expected like: %s\nactual:        %s\n' "$2" "$err" >&2; return 1; }
    [[ $err == *"$1"* ]] || { printf 'expected the code %s in: %s\n' "$1" "$err" >&2; return 1; }
}

# is ACTUAL EXPECTED, like ACTUAL GLOB
is() { [[ $1 == "$2" ]] || { printf 'expected: %s\nactual:   %s\n' "$2" "$1" >&2; return 1; }; }
# shellcheck disable=SC2053
like() { [[ $1 == $2 ]] || { printf 'expected like: %s\nactual:        %s\n' "$2" "$1" >&2; return 1; }; }
# shellcheck disable=SC2053
unlike() { [[ $1 != $2 ]] || { printf 'expected unlike: %s\nactual:          %s\n' "$2" "$1" >&2; return 1; }; }
# refute COMMAND…: it must fail ("! COMMAND" is not looked at by the shell's -e)
refute() { ! "$@" || { printf 'did not fail: %s\n' "$*" >&2; return 1; }; }
at_most() { (($1 <= $2)) || { printf '%s is more than %s (%s)\n' "$1" "$2" "${3:-}" >&2; return 1; }; }
at_least() { (($1 >= $2)) || { printf '%s is less than %s (%s)\n' "$1" "$2" "${3:-}" >&2; return 1; }; }

# ---- the usual start ----

# both_start [SECTION.KEY=VALUE [cluster.conf's LINE…]]: pvesim and the broker, with a short deadline
both_start() {
    sim_start "${@:2}"
    broker_start fence.deadline=5s ${1:+"$1"}
}

# all_three_begin: off of 101, reboot of 102, reboot by cycle of 103, at the same time; their names are off, reboot and cycle
all_three_begin() {
    fence_begin off 101 -o off -n vm101
    fence_begin reboot 102 -o reboot -n vm102
    fence_begin cycle 103 -o reboot -n vm103 -m cycle
}

# ---- the broker with its sockets kept by somebody else (socket-keeper), who starts it again when it ends ----

# keeper_start [SECTION.KEY=VALUE…]: pvesim, unless it runs already, the keeper and the broker
keeper_start() {
    [[ -n $SIM_PID ]] || sim_start
    broker_configure fence.deadline=20s "$@"
    spawn "$T/keeper" "$BATS_TEST_DIRNAME/socket-keeper" "$SOCKET" "$METRICS" "$T/pid" -- \
        setpriv --pdeathsig KILL -- bash -c 'exec "$1" -c "$2" 2>>"$3"' - "$BUILD/fence_brokerd" "$CONFIG" "$T/broker.log.err"
    KEEPER_PID=$SPAWNED
    await 60 client -o monitor -q
}
# kept_kill SIGNAL: to the broker that runs
kept_kill() { kill -s "$1" "$(<"$T/pid")"; }
kept_ended() { grep -q '^ended' "$T/keeper"; }
keeper_stop() {
    local pid=$KEEPER_PID code=0
    KEEPER_PID=''
    end_process "$pid" TERM || code=$?
    is "$code" 0
}

# ---- records ----

# json PATH: what stands there in the JSON document on standard input: "operations.0.error.code"; lists are printed as JSON, null as "null"
json() {
    perl -MJSON::PP -0777 -e '
        binmode STDOUT, ":utf8";
        my $at = JSON::PP->new->utf8->decode(scalar <STDIN>);
        for my $key (split /\./, $ARGV[0]) { $at = ref $at eq "ARRAY" ? $at->[$key] : ref $at ? $at->{$key} : undef }
        print ref $at && !JSON::PP::is_bool($at) ? JSON::PP->new->canonical->encode($at) : !defined $at ? "null" : JSON::PP::is_bool($at) ? ($at ? "true" : "false") : $at;
        print "\n"' "$1"
}

# operations VMID: the guest's operations as the broker tells them, newest first, a JSON document a line
operations() {
    ask GET /v1/operations | perl -MJSON::PP -0777 -e '
        binmode STDOUT, ":utf8";
        my $all = JSON::PP->new->utf8->decode(scalar <STDIN>)->{operations};
        print JSON::PP->new->canonical->encode($_), "\n" for grep { $_->{vmid} == $ARGV[0] } @$all' "$1"
}

# operation PATH [VMID]: from the guest's newest operation
operation() { operations "${2:-101}" | head -n 1 | json "$1"; }
operation_is() { [[ $(operation "$1" "${3:-101}") == "$2" ]]; }
operation_ended() { operation_is state ended "${1:-101}"; }

# operation_says GLOB [VMID]: a line of the newest operation's time line
operation_says() {
    local id
    id=$(operation id "${2:-101}")
    # shellcheck disable=SC2053
    [[ $(ask GET "/v1/operations/$id" | json transitions) == *$1* ]]
}

# sent CALL VMID: how many power calls for the guest reached Proxmox; a rehearsal has the path of a stop, and is none
sent() { sim_ctl log | grep -cE "POST /nodes/[^ ]*/$2/status/$1 .* call=$1\$" || true; }

# stop_was_sent VMID: Proxmox has it
stop_was_sent() { (($(sent stop "$1") > 0)); }

# the next fence works, whatever has happened: of a guest nobody has touched
next_fence_works() {
    guest_alive "${1:-103}"
    fence "${1:-103}" -o off -n "${1:-103}"
    succeeded
    guest_dead "${1:-103}"
}

# broker_ends_clean: SIGTERM, exit 0 (with a sanitizer: no leak), and no word of an error's in its log
broker_ends_clean() {
    broker_stop
    refute grep -aE 'ERROR: |runtime error|Assertion|LeakSanitizer' "$T/broker.log" "$T/broker.log.err"
}

# fence_teardown: the end of every test: a daemon that still runs must end clean, whatever it went through
fence_teardown() {
    local code=0
    [[ -z ${KEEPER_PID:-} ]] || end_process "$KEEPER_PID" KILL || true
    [[ -z ${BATS_TEST_COMPLETED:-} || -z ${BROKER_PID:-} ]] || broker_ends_clean || code=$?
    e2e_teardown
    return "$code"
}

# broker_said TEXT: in its log
broker_said() { grep -qF -- "$1" "$T/broker.log.err"; }

# broker_reload [SECTION.KEY=VALUE…]: a new configuration, taken over
broker_reload() {
    local before
    before=$(grep -cF 'notice reloaded' "$T/broker.log.err" || true)
    (($# == 0)) || broker_configure "$@"
    kill -s HUP "$BROKER_PID"
    await 30 broker_reloaded "$before"
}
broker_reloaded() { (($(grep -cF 'notice reloaded' "$T/broker.log.err") > $1)); }
