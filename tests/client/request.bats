#!/usr/bin/env bats
# The way to the broker: who listens, what happens when nobody does, when it hangs up, answers garbage or not at all.

load helper

setup() { client_setup; }
teardown() { client_teardown; }

need_root() {
    [[ $(id -u) == 0 ]] || skip "needs root to listen as somebody else"
}

@test "no socket: the failure says that the broker is not running and how to start it" {
    agent action=off plug=n1
    fails_with "there is no socket $SOCKET: the broker is not running or not installed; start it: systemctl start"
}

@test "a socket that nobody listens on: the daemon is not running" {
    perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); bind(S, pack_sockaddr_un($ARGV[0])) or die' "$SOCKET"
    agent action=off plug=n1
    fails_with "the broker is not running: nobody listens on $SOCKET; start it: systemctl start"
}

@test "a file, a directory below a file, and a datagram socket are named for what they are" {
    : >"$T/file"
    agent action=off plug=n1 "socket=$T/file"
    fails_with "$T/file is not a socket"
    agent action=off plug=n1 "socket=$T/file/sock"
    fails_with "there is no socket $T/file/sock"
    perl -MSocket -e '$^F = 9; socket(S, AF_UNIX, SOCK_DGRAM, 0); bind(S, pack_sockaddr_un($ARGV[0])) or die; exec @ARGV[1..$#ARGV]' \
        "$T/dgram" "$CLIENT" status --socket "$T/dgram" >"$T/out" 2>"$T/err" && status=0 || status=$?
    err=$(<"$T/err")
    fails_with "another kind"
}

@test "doctor looks for itself where no daemon is, and names a file that is not a socket" {
    : >"$T/file"
    client doctor -s "$T/file/sock"
    like "$out" "*Seen without a daemon*"
    client doctor -s "$T/file"
    is "$out" ""
    like "$err" "fence-broker-admin: doctor: $T/file is not a socket; *"
}

@test "permission denied: the failure names the way into the group" {
    need_root
    broker "$(reply ok 200 text/plain 'on\n')"
    chmod 660 "$SOCKET"
    install -m 755 "$CLIENT" "$T/client"
    status=0
    setpriv --reuid 12345 --regid 12345 --clear-groups "$T/client" status --socket "$SOCKET" >"$T/out" 2>"$T/err" || status=$?
    err=$(<"$T/err")
    fails_with "uid 12345 may not use the broker's socket $SOCKET: permission denied; be root or a member of the socket's group: as root, usermod -aG haclient"
}

@test "no failure of the environment reads like a time-out" {
    for socket in "$T/none" "$T" /dev/null relative; do
        agent action=off plug=n1 "socket=$socket"
        fails_with ""
        unlike "${err,,}" "*timed out*"
        unlike "${err,,}" "*timeout*"
    done
}

@test "a stranger who listens in a directory of root is told nothing" {
    need_root
    broker --uid 12345 "$(reply ok 200 text/plain 'on\n')"
    agent action=off plug=n1
    fails_with "the listener on $SOCKET is not the broker but uid 12345"
    is "$(requests)" ""
}

@test "the owner of the socket's directory is the broker, if root alone could have made that directory" {
    need_root
    mkdir "$T/run"
    chown 12345 "$T/run"
    SOCKET=$T/run/broker.sock
    broker --uid 12345 "$(reply ok 200 text/plain 'on\n')"
    agent action=off plug=n1
    is "$err" ""
    is "$status" 0
}

@test "the owner of a directory that others may write to is no broker" {
    need_root
    mkdir "$T/run"
    chown 12345 "$T/run"
    SOCKET=$T/run/broker.sock
    broker --uid 12345 "$(reply ok 200 text/plain 'on\n')"
    for mode in 770 707 1777; do
        chmod "$mode" "$T/run"
        agent action=off plug=n1
        fails_with "not the broker but uid 12345"
    done
}

@test "the owner of a directory in a place where anybody can make one is no broker" {
    need_root
    mkdir -p "$T/tmp/run"
    chown 12345 "$T/tmp/run"
    SOCKET=$T/tmp/run/broker.sock
    broker --uid 12345 "$(reply ok 200 text/plain 'on\n')"
    for mode in 1777 777 775; do
        chmod "$mode" "$T/tmp"
        agent action=off plug=n1
        fails_with "not the broker but uid 12345"
    done
    chmod 755 "$T/tmp"
    chown 12345 "$T/tmp"
    agent action=off plug=n1
    fails_with "not the broker but uid 12345"
    chown 0 "$T/tmp"
    agent action=off plug=n1
    is "$status" 0
}

@test "a link in a trusted directory does not lend its owner's name to a stranger" {
    need_root
    mkdir "$T/run" "$T/away"
    chown 12345 "$T/run"
    SOCKET=$T/away/broker.sock
    broker --uid 12346 "$(reply ok 200 text/plain 'on\n')"
    ln -s "$SOCKET" "$T/run/broker.sock"
    agent action=off plug=n1 "socket=$T/run/broker.sock"
    fails_with "not the broker but uid 12346"
}

@test "the overflow uid is nobody's, not even the directory owner's" {
    need_root
    mkdir "$T/run"
    chown 65534 "$T/run"
    SOCKET=$T/run/broker.sock
    broker --uid 65534 "$(reply ok 200 text/plain 'on\n')"
    agent action=off plug=n1
    fails_with "not the broker but uid 65534"
}

@test "hung up without an answer: the same request is sent once more, with the same id" {
    broker hangup "$(reply ok 200 text/plain 'off\n')"
    agent action=off plug=n1
    is "$status" 0
    is "$out" "Success: Powered OFF"
    is "$(requests | wc -l)" 2
    is "$(grep -a '^Request-Id' "$LOG" | sort -u | wc -l)" 1
    is "$(grep -a '^Asked-At' "$LOG" | sort -u | wc -l)" 1
}

@test "an answer that is cut off counts as none, wherever it is cut" {
    for part in 'HTTP/1.1 200' 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n' 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nof'; do
        : >"$LOG"
        broker "$(raw cut "$part")" "$(reply ok 200 text/plain 'off\n')"
        agent action=off plug=n1
        is "$status" 0
        is "$(requests | wc -l)" 2
        kill "$BROKER_PID"
    done
}

@test "hung up twice is a failure: nothing is sent a third time" {
    broker hangup
    agent action=off plug=n1
    fails_with "off n1: the broker closed the connection twice without an answer"
    is "$(requests | wc -l)" 2
}

@test "what no broker has read does not count as asked: it is sent until one reads it" {
    broker hangup unread refuse unread unread "$(reply ok 200 text/plain 'off\n')"
    agent action=off plug=n1
    is "$status" 0
    is "$(requests | wc -l)" 2
    is "$(grep -a '^Request-Id' "$LOG" | sort -u | wc -l)" 1
}

@test "a broker that never reads is a failure, after some seconds" {
    broker unread
    agent action=off plug=n1
    fails_with "closed the connection twice without an answer"
}

@test "a connection closed before the request was read is repeated, too" {
    broker refuse "$(reply ok 200 text/plain 'off\n')"
    agent action=off plug=n1
    is "$status" 0
}

@test "a broker that restarts is waited for" {
    broker vanish "$(reply ok 200 text/plain 'off\n')"
    agent action=off plug=n1
    is "$err" ""
    is "$status" 0
    is "$(grep -a '^Request-Id' "$LOG" | sort -u | wc -l)" 1
}

@test "two requests have two ids" {
    broker "$(reply ok 200 text/plain 'off\n')"
    agent action=off plug=n1
    agent action=off plug=n1
    is "$(grep -a '^Request-Id' "$LOG" | sort -u | wc -l)" 2
}

@test "a broker that does not answer is not waited for longer than power_timeout, and this is called a time-out" {
    broker hold
    SECONDS=0
    agent action=off plug=n1 power_timeout=1
    fails_with "off n1: no answer from the broker within 1 s (timed out)"
    ((SECONDS < 20))
    is "$(requests | wc -l)" 1
}

@test "garbage is never success" {
    local garbage=('hello\n' 'HTTP/2 200\r\nContent-Length: 3\r\n\r\nok\n' 'HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n'
        'HTTP/1.1 200 OK\r\n\r\n' 'HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n' 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'
        'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n' 'HTTP/1.1 200 OK\r\nbroken\r\nContent-Length: 0\r\n\r\n'
        'HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n' 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nmore'
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n' 'HTTP/1.1 200 OK\r\nA: \0\r\nContent-Length: 0\r\n\r\n')
    for bytes in "${garbage[@]}"; do
        broker "$(raw bytes "$bytes")"
        agent action=off plug=n1
        fails_with "does not speak the broker's protocol"
        kill "$BROKER_PID"
    done
}

@test "a head without an end is given up" {
    { printf 'HTTP/1.1 200 OK\r\n'; head -c 100000 /dev/zero | tr '\0' x; } >"$T/endless"
    broker "$T/endless"
    agent action=off plug=n1
    fails_with "does not speak the broker's protocol"
}

@test "a status that is neither 200 nor an error is no success" {
    broker "$(reply odd 204 text/plain '')"
    agent action=off plug=n1
    fails_with "unexpected HTTP status 204"
}

@test "an answer of many megabytes is read whole" {
    yes '101,vm-with-a-name' | head -c 8000000 >"$T/body"
    { printf 'HTTP/1.1 200 OK\r\ncontent-length:8000000\r\n\r\n'; cat "$T/body"; } >"$T/big"
    broker "$T/big"
    "$CLIENT" -s "$SOCKET" -o list | cmp - "$T/body"
}

@test "an error without a hint still has a way out; one without words has its number" {
    broker "$(reply bare 502 text/plain 'locked: guest 101 is locked\n')" "$(reply none 500 text/plain '')"
    agent action=off plug=n1
    fails_with "off n1: locked: guest 101 is locked; see /usr/sbin/fence_broker status"
    agent action=off plug=n1
    fails_with "the broker answered 500 without a reason"
}

@test "an error is one line, whatever its text holds" {
    broker "$(reply bad 502 text/plain 'a: b\r\033[31mc\nhint: d\ne\n')"
    agent action=off plug=n1
    is "$err" "fence_broker: off n1: a: b  [31mc; d"
}

@test "messages never land in the socket when standard streams are closed" {
    broker "$(reply ok 200 text/plain 'on\n')"
    "$CLIENT" -s "$SOCKET" -o on -n n1 -v <&- >&- 2>&-
    is "$(requests)" "POST /v1/guests/n1/on HTTP/1.1"
    is "$(grep -ac debug "$LOG" || true)" 0
}
