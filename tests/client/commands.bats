#!/usr/bin/env bats
# People's commands: what each asks for, what it shows, and how it fails.

load helper

setup() { client_setup; }
teardown() { client_teardown; }

@test "each command shows the broker's screen" {
    broker "$(reply screen 200 text/plain 'a screen\nof text\n')"
    while IFS='|' read -r words line; do
        # shellcheck disable=SC2086
        client $words --socket "$SOCKET"
        is "$status" 0
        is "$out" $'a screen\nof text'
        is "$err" ""
        is "$(requests | tail -n 1)" "$line HTTP/1.1"
        is "$(tr -d '\r' <"$LOG" | grep -a '^Accept' | tail -n 1)" "Accept: text/plain"
    done <<'END'
status|GET /v1/status
targets|GET /v1/guests
targets 101|GET /v1/guests/101
history|GET /v1/operations
explain 42|GET /v1/operations/42
permissions|GET /v1/permissions
metrics|GET /metrics
whoami|GET /v1/whoami
off node1|POST /v1/guests/node1/off
on node1|POST /v1/guests/node1/on
reboot node1|POST /v1/guests/node1/reboot
reboot node1 --method cycle|POST /v1/guests/node1/reboot?method=cycle
off node1 --dry-run|POST /v1/guests/node1/off?dry-run=1
reboot --dry-run --method=cycle node1|POST /v1/guests/node1/reboot?method=cycle&dry-run=1
END
}

@test "--json asks for JSON and gives it as it came, with a newline at its end" {
    broker "$(reply json 200 application/json '{"guests": []}')"
    for words in status targets "targets n1" history "explain 7" "off n1"; do
        # shellcheck disable=SC2086
        client $words --json --socket "$SOCKET"
        is "$status" 0
        is "$(<"$T/out")" '{"guests": []}'
        is "$(wc -l <"$T/out")" 1
        is "$(tr -d '\r' <"$LOG" | grep -a '^Accept' | tail -n 1)" "Accept: application/json"
    done
}

@test "can asks with the numbers of the user, and its exit status is the answer" {
    local groups
    groups=$(id -G root | tr ' ' ,)
    broker "$(reply yes 200 text/plain 'yes: uid 0 may\n')"
    client can root off 'a b' --socket "$SOCKET"
    is "$status" 0
    like "$(requests | tail -n 1)" "GET /v1/can/off/a%20b?uid=0&gid=0&groups=*0* HTTP/1.1"
    client can root status --socket "$SOCKET"
    like "$(requests | tail -n 1)" "GET /v1/can/status?uid=0&gid=0&groups=*"
    client can no-such-user-here off 101 --socket "$SOCKET"
    fails_with "user no-such-user-here does not exist on this machine"
    client can root --socket "$SOCKET"
    fails_with "can USER ACTION"
}

@test "can says no with 2, as text and as JSON" {
    broker "$(reply no 200 text/plain 'no: uid 0 may not\n')"
    client can root off 101 --socket "$SOCKET"
    is "$status" 2
    is "$err" ""
    broker "$(reply json 200 application/json '{"allowed":false}')"
    client can root off 101 --json --socket "$SOCKET"
    is "$status" 2
    broker "$(reply json 200 application/json '{"allowed":true}')"
    client can root off 101 --json --socket "$SOCKET"
    is "$status" 0
}

@test "options may stand before the command" {
    broker "$(reply json 200 application/json '{}')"
    client --socket "$SOCKET" --json status
    is "$status" 0
    client -s "$SOCKET" off n1
    client --socket="$SOCKET" --dry-run off n1
    client --limit 5 --since=2h -s "$SOCKET" history
    is "$(requests)" "$(printf '%s HTTP/1.1\n' 'GET /v1/status' 'POST /v1/guests/n1/off' 'POST /v1/guests/n1/off?dry-run=1' 'GET /v1/operations?limit=5&since=2h')"
}

@test "operands are encoded" {
    broker "$(reply ok 200 text/plain 'ok\n')"
    client -s "$SOCKET" explain '../x?y'
    client -s "$SOCKET" off 'a b'
    is "$(requests)" "$(printf '%s HTTP/1.1\n' 'GET /v1/operations/..%2Fx%3Fy' 'POST /v1/guests/a%20b/off')"
}

@test "an error as text becomes one line with its hint" {
    broker "$(reply bad 404 text/plain 'unknown-plug: no guest is called n9\nhint: /usr/sbin/fence_broker targets lists them\n')"
    client -s "$SOCKET" off n9
    fails_with "fence_broker: off n9: unknown-plug: no guest is called n9; /usr/sbin/fence_broker targets lists them"
    is "$out" ""
}

@test "an error as JSON goes to stdout whole and to stderr as one line" {
    body='{"error":{"code":"locked","message":"guest \"101\" is locked – 😀 \"hint\":\"backup\u000a","hint":"wait/unlock \\"}}'
    broker "$(reply bad 502 application/json "${body//\\/\\\\}")"
    client -s "$SOCKET" off n1 --json
    is "$status" 1
    is "$out" "$body"
    is "$err" $'fence_broker: off n1: locked: guest "101" is locked – 😀 "hint":"backup ; wait/unlock \\'
}

@test "an error as JSON that is cut or odd still ends in one line" {
    # shellcheck disable=SC1003
    for body in '' '{' '"' '{"error"' '{"error":{"code":"a' '{"error":{"code":1,"message":"m"}}' '{"code":"\u00' '{"code":"x","message":"\'; do
        broker "$(reply bad 500 application/json "${body//\\/\\\\}")"
        client -s "$SOCKET" status --json
        is "$status" 1
        is "$(wc -l <"$T/err")" 1
        like "$err" "fence_broker: status: *; *"
        kill "$BROKER_PID"
    done
}

@test "rehearse asks for each guest of the list in turn, and is 0 only if all are accepted" {
    broker "$(reply list 200 text/plain '101,web1
102,web2
')" "$(reply one 200 text/plain 'accepted: web1 (101) on pve1 in 9 ms
')" \
        "$(reply two 200 text/plain 'refused: web2 (102) on pve2 in 7 ms
  no-power-right: 403
')"
    client rehearse -s "$SOCKET"
    is "$status" 1
    is "$err" ""
    is "$out" $'accepted: web1 (101) on pve1 in 9 ms
refused: web2 (102) on pve2 in 7 ms
  no-power-right: 403'
    is "$(requests)" $'GET /v1/guests?view=rehearse HTTP/1.1
POST /v1/guests/101/rehearse HTTP/1.1
POST /v1/guests/102/rehearse HTTP/1.1'
}

@test "rehearse in JSON is one document, whatever is in it" {
    broker "$(reply list 200 text/plain '101,web1
102,web2
')" "$(reply one 200 application/json '{"exit_status":0,"rehearsal":{"vmid":101}}
')" \
        "$(reply two 503 application/json '{"error":{"code":"too-many","message":"busy","hint":"wait"}}
')"
    client rehearse --json -s "$SOCKET"
    is "$status" 1
    is "$(perl -MJSON::PP -e 'print scalar @{decode_json(join "", <STDIN>)->{rehearsals}}' <<<"$out")" 2
    like "$err" "fence_broker: rehearse 102: too-many: busy; wait"
}

@test "rehearse of one guest ends with what its answer begins with" {
    while IFS='|' read -r code type body; do
        broker "$(reply one 200 "$type" "$body")"
        [[ $type == text/plain ]] && client rehearse web1 -s "$SOCKET" || client rehearse web1 --json -s "$SOCKET"
        is "$status" "$code"
        is "$err" ""
        kill "$BROKER_PID"
    done <<-'END'
	0|text/plain|accepted: web1 (101) on pve1 in 9 ms\n
	1|text/plain|refused: web1 (101) on pve1 in 9 ms\n
	1|text/plain|unanswered: web1 (101) on pve1 in 9 ms\n
	1|text/plain|accepted\n
	0|application/json|{"exit_status":0,"rehearsal":{}}\n
	1|application/json|{"exit_status":1,"rehearsal":{}}\n
	END
    is "$(requests | sort -u)" "POST /v1/guests/web1/rehearse HTTP/1.1"
}

@test "rehearse without a guest that one may rehearse says so" {
    broker "$(reply list 200 text/plain '')"
    client rehearse -s "$SOCKET"
    fails_with "there is no guest that you may rehearse"
}

# report LEVEL: what the daemon answers
report() {
    printf '{"exit_status":0,"verdict":"fine","daemon":true,"steps":[{"step":"endpoints","took_ms":1.5}],"findings":['
    printf '{"step":"endpoints","level":"%s","message":"a","hint":null,"paste":[],"seen_at":null,"seen_age_s":null}]}\\n' "$1"
}

@test "doctor's exit status is that of all findings, in both forms" {
    while IFS='|' read -r level code words; do
        broker "$(reply json 200 application/json "$(report "$level")")"
        client -s "$SOCKET" doctor
        is "$status" "$code"
        like "$out" "Verdict: $words"$'\nAs the running daemon sees it.\n\nendpoints\n  '"$level"$' *a\n  time     1.5 ms\n\ncluster\n  skipped  *'
        client -s "$SOCKET" doctor --json
        is "$status" "$code"
        like "$out" "{\"exit_status\":$code,\"verdict\":\"$words\",\"daemon\":true,\"steps\":\[*\],\"findings\":\[{\"step\":\"endpoints\",*},{\"step\":\"cluster\",\"level\":\"skipped\",*}]}"
        is "$(requests | sort -u)" "GET /v1/doctor HTTP/1.1"
        is "$err" ""
        broker_end
        rm -f "$SOCKET" "$LOG"
    done <<-'END'
	ok|0|fine
	failure|1|a fence would fail
	warning|2|a fence would work, but something needs attention
	unknown|2|a fence would work, but something needs attention
	END
}

@test "doctor shows no report of another form than its own" {
    while IFS= read -r body; do
        broker "$(reply json 200 application/json "$body")"
        client -s "$SOCKET" doctor --json
        doctor_fails_with "is not a report of the doctor"
        is "$out" ""
        broker_end
        rm -f "$SOCKET" "$LOG"
    done <<-'END'
	{"exit_status":0,"verdict":"fine","findings":[]}
	{"exit_status":0,"verdict":"fine","steps":[],"findings":[{"step":"endpoints","level":"finer","message":"a"}]}
	{"exit_status":0,"verdict":"fine",
	[]
	Verdict: fine
	END
}
# the program that does it says so itself
doctor_fails_with() {
    is "$status" 1 && is "$(wc -l <"$T/err")" 1 && like "$err" "fence-broker-admin: doctor: *; *" && like "$err" "*$1*"
}

@test "an error that is the daemon's answer to doctor is told, and shown with --json" {
    broker "$(reply bad 403 application/json '{"error":{"code":"denied","message":"no rule matches","hint":"ask root"}}\n')"
    client doctor --socket "$SOCKET"
    doctor_fails_with "denied: no rule matches; ask root"
    is "$out" ""
    client doctor --json --socket "$SOCKET"
    doctor_fails_with "denied: no rule matches; ask root"
    is "$out" '{"error":{"code":"denied","message":"no rule matches","hint":"ask root"}}'
}

@test "doctor is fence-broker-admin's, from the client's own folder, and nobody's environment leads elsewhere" {
    mkdir "$T/bin" "$T/other"
    cp "$CLIENT" "$T/bin/fence_broker"
    CLIENT=$T/bin/fence_broker
    client doctor --socket "$SOCKET"
    fails_with "doctor: cannot run $T/bin/fence-broker-admin: No such file or directory; it is part of the client's package"
    printf '%s\n' '#!/bin/sh' 'echo "ran: $*"' 'exit 2' >"$T/bin/fence-broker-admin"
    printf '%s\n' '#!/bin/sh' 'echo astray' >"$T/other/fence-broker-admin"
    chmod 755 "$T"/*/fence-broker-admin
    cd "$T/other"
    PATH=$T/other:$PATH client doctor --socket "$SOCKET"
    is "$status" 2
    is "$out" "ran: doctor --socket $SOCKET"
    client doctor --json --socket "$SOCKET"
    is "$status" 2
    is "$out" "ran: doctor --socket $SOCKET --json"
    # by a link, too: what counts is where the program lies
    ln -s "$T/bin/fence_broker" "$T/other/fence_broker"
    CLIENT=$T/other/fence_broker
    client doctor -s "$SOCKET"
    is "$out" "ran: doctor --socket $SOCKET"
}

@test "strict=1 asks for the nodes that fence-broker-admin tells, and for every guest where it tells none" {
    mkdir "$T/bin"
    cp "$CLIENT" "$T/bin/fence_broker"
    CLIENT=$T/bin/fence_broker
    broker "$(reply ok 200 text/plain 'ok\n')"
    asks() {
        agent action=monitor strict=1
        is "$status" 0
        is "$err" ""
        is "$(requests | tail -n 1)" "GET /v1/status?view=monitor&strict=1$1 HTTP/1.1"
    }
    asks ""
    for script in 'echo n1; exit 1' 'kill -s KILL $$' 'exit 0' 'yes a-long-name | head -n 5000' 'seq 1000000000 1000000700'; do
        printf '%s\n' '#!/bin/sh' "$script" >"$T/bin/fence-broker-admin"
        chmod 755 "$T/bin/fence-broker-admin"
        asks ""
    done
    printf '%s\n' '#!/bin/sh' '[ "$*" = nodes ] && printf "%s\n" n1 "n 2" n3.example.com; echo words >&2' >"$T/bin/fence-broker-admin"
    asks "&nodes=n1,n%202,n3.example.com"
}

@test "misuse is an error that says what is wrong" {
    client stauts
    fails_with "unknown command 'stauts'; did you mean status? "
    client frobnicate
    fails_with "unknown command 'frobnicate'; /usr/sbin/fence_broker --help"
    client status --wacht
    fails_with "unknown or misused option --wacht; did you mean --watch? "
    client --plgu=secret-word
    fails_with "unknown or misused option --plgu; did you mean --plug? "
    unlike "$err" "*secret-word*"
    client status -n 3
    fails_with "--limit and --since work with history, not with 'status'"
    client off
    fails_with "'off' needs an argument: off PLUG"
    client explain
    fails_with "'explain' needs an argument: explain ID"
    client off a b
    fails_with "too many arguments for 'off'"
    client status n1
    fails_with "too many arguments for 'status'"
    client status --dry-run
    fails_with "--dry-run and --method work with off, on and reboot"
    client reboot n1 --method soft
    fails_with "--method soft is not known"
    client metrics --json
    fails_with "--json works with what has a JSON form, not with 'metrics'"
    client status --frob
    fails_with "unknown or misused option --frob"
    client status --socket
    fails_with "option --socket needs a value"
    client status --socket relative
    fails_with "must be absolute"
    client off ''
    fails_with "empty"
}

@test "help and version need no broker" {
    for words in help --help -h; do
        # shellcheck disable=SC2086
        client $words
        is "$status" 0
        like "$out" "*explain ID*--plug=id*"
    done
    for words in --version version; do
        client "$words"
        is "$status" 0
        like "$out" "fence_broker [0-9]*.[0-9]*.[0-9]*"
    done
}

@test "each command has a help of its own, with its options and no others" {
    for words in "history --help" "help history" "--help history"; do
        # shellcheck disable=SC2086
        client $words
        is "$status" 0
        like "$out" "usage: fence_broker history *--limit=NUMBER*--since=TIME*--json*--socket=PATH*"
        unlike "$out" "*--dry-run*"
    done
    for words in $("$CLIENT" --help | awk '/^As a fence agent/ { exit } /^    [a-z]/ { print $1 }'); do
        client "$words" --help
        is "$status" 0
        like "$out" "usage: fence_broker $words*"
        is "$(awk 'length($0) > 80' <<<"$out")" ""
    done
}

@test "history may be cut by number and time, which the broker reads" {
    broker "$(reply screen 200 text/plain 'a screen\n')"
    client -s "$SOCKET" history -n 5
    client -s "$SOCKET" history --limit=5 --since '2026-11-22T12:00:00+01:00'
    is "$(requests)" "GET /v1/operations?limit=5 HTTP/1.1
GET /v1/operations?limit=5&since=2026-11-22T12%3A00%3A00%2B01%3A00 HTTP/1.1"
}

@test "a reader that has had enough ends a command, and nothing is said about it" {
    { printf 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 300000\r\n\r\n'; yes metric 1 | head -c 300000; } >"$T/long"
    broker "$T/long"
    for words in metrics targets "targets --watch=0.1" "history --json"; do
        # shellcheck disable=SC2086
        "$CLIENT" -s "$SOCKET" $words 2>"$T/err" 3>&- | head -n 1 >/dev/null
        err=$(<"$T/err")
        is "$err" ""
    done
}

@test "without a daemon every command fails with a way out" {
    for words in status targets history "explain 1" metrics "off n1" "on n1" "reboot n1"; do
        # shellcheck disable=SC2086
        client $words --socket "$SOCKET"
        fails_with "systemctl start"
    done
}
