# Shared by the client's tests: a private directory, a stand-in broker, and the client run against it.
# shellcheck shell=bash

client_setup() {
    ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    BUILD=${BUILD:-build}
    [[ $BUILD == /* ]] || BUILD=$ROOT/$BUILD
    CLIENT=$BUILD/fence_broker
    T=$(mktemp -d /tmp/fence-broker-client.XXXXXX)
    chmod 755 "$T"
    SOCKET=$T/broker.sock
    LOG=$T/requests
    BROKER_PID=
    # this machine's own Pacemaker has nothing to do with it
    export CIB_file=$T/no-such-cib.xml COROSYNC_MAIN_CONFIG_FILE=$T/no-such-corosync.conf
}

client_teardown() {
    broker_end
    rm -rf "$T"
    return 0
}

# broker_end: of the stand-in that runs, if any
broker_end() {
    [[ -n $BROKER_PID ]] || return 0
    kill "$BROKER_PID" 2>/dev/null || true
    wait "$BROKER_PID" 2>/dev/null || true
    BROKER_PID=
}

# reply NAME STATUS TYPE BODY: a well-formed answer in $T/NAME (BODY with printf's escapes)
reply() {
    local body
    printf '%b' "$4" >"$T/$1.body"
    body=$(wc -c <"$T/$1.body")
    {
        printf 'HTTP/1.1 %s Reason\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n' "$2" "$3" "$body"
        cat "$T/$1.body"
    } >"$T/$1"
    echo "$T/$1"
}

# raw NAME BYTES: an answer as it stands
raw() {
    printf '%b' "$2" >"$T/$1"
    echo "$T/$1"
}

# broker [--uid N] REPLY...: starts the stand-in (and ends the one before it) and returns once it listens
broker() {
    local fd
    broker_end
    [[ -p $T/ready ]] || mkfifo "$T/ready"
    exec {fd}<>"$T/ready"
    "$BATS_TEST_DIRNAME/fake-broker" "$SOCKET" "$LOG" "$T/ready" "$@" >"$T/broker.log" 2>&1 3>&- {fd}>&- &
    BROKER_PID=$!
    read -r -t 20 -u "$fd" || { cat "$T/broker.log" >&2; return 1; }
    exec {fd}<&-
}

# agent KEY=VALUE...: the agent with these lines on standard input; sets status, out, err
agent() {
    status=0
    { printf 'socket=%s\n' "$SOCKET"; printf '%s\n' "$@"; } >"$T/stdin"
    "$CLIENT" <"$T/stdin" >"$T/out" 2>"$T/err" 3>&- || status=$?
    out=$(<"$T/out") err=$(<"$T/err")
}

# client ARGUMENT...: the client with these arguments; sets status, out, err
client() {
    status=0
    "$CLIENT" "$@" </dev/null >"$T/out" 2>"$T/err" 3>&- || status=$?
    out=$(<"$T/out") err=$(<"$T/err")
}

# is ACTUAL EXPECTED, like ACTUAL GLOB, unlike ACTUAL GLOB: say what differs
is() {
    [[ $1 == "$2" ]] || { printf 'expected: %s\nactual:   %s\n(out: %s)\n(err: %s)\n' "$2" "$1" "$out" "$err" >&2; return 1; }
}

like() {
    # shellcheck disable=SC2053
    [[ $1 == $2 ]] || { printf 'expected like: %s\nactual:        %s\n' "$2" "$1" >&2; return 1; }
}

unlike() {
    # shellcheck disable=SC2053
    [[ $1 != $2 ]] || { printf 'expected unlike: %s\nactual:          %s\n' "$2" "$1" >&2; return 1; }
}

# a failure is exit 1, nothing on stdout, and one line on stderr with a cause and a way out
fails_with() {
    is "$status" 1 && is "$(wc -l <"$T/err")" 1 && like "$err" "fence_broker: *; *" && like "$err" "*$1*"
}

# the request lines that the broker saw
requests() {
    sed -nE '/^(GET|POST) /s/\r$//p' "$LOG"
}
