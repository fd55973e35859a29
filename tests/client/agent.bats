#!/usr/bin/env bats
# The agent contract: keys, options, actions, exit status. Answers come from a stand-in broker.

load helper

setup() { client_setup; }
teardown() { client_teardown; }

@test "off asks for off with exactly the agreed bytes and reports success" {
    broker "$(reply ok 200 text/plain 'off\n')"
    agent action=off plug=node1
    is "$status" 0
    is "$out" "Success: Powered OFF"
    is "$err" ""
    id=$(tr -d '\r' <"$LOG" | sed -n 's/^Request-Id: //p')
    [[ $id =~ ^[0-9a-f]{32}$ ]]
    asked=$(tr -d '\r' <"$LOG" | sed -n 's/^Asked-At: //p')
    read -r now _ </proc/uptime # of CLOCK_BOOTTIME, which is never behind CLOCK_MONOTONIC
    [[ $asked =~ ^[0-9]+$ ]] && ((asked > 0 && asked <= (${now%.*} + 1) * 1000))
    printf '== 1\nPOST /v1/guests/node1/off HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain\r\nContent-Length: 0\r\nRequest-Id: %s\r\nAsked-At: %s\r\n\r\n' \
        "$id" "$asked" | cmp - "$LOG"
}

@test "a read sends no length and no request id" {
    broker "$(reply ok 200 text/plain 'on\n')"
    agent action=status plug=node1
    printf '== 1\nGET /v1/guests/node1?view=power HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain\r\n\r\n' | cmp - "$LOG"
}

@test "each action asks for its resource and says its success" {
    broker "$(reply ok 200 text/plain 'on\n')"
    for row in "off|POST /v1/guests/n1/off|Success: Powered OFF" "on|POST /v1/guests/n1/on|Success: Powered ON" \
        "reboot|POST /v1/guests/n1/reboot|Success: Rebooted" "status|GET /v1/guests/n1?view=power|Status: ON" \
        "list|GET /v1/guests?view=list|on" "list-status|GET /v1/guests?view=list-status|on" \
        "monitor|GET /v1/status?view=monitor|"; do
        IFS='|' read -r action line text <<<"$row"
        agent "action=$action" plug=n1
        is "$status" 0
        is "$out" "$text"
        is "$(requests | tail -n 1)" "$line HTTP/1.1"
    done
}

@test "the default action is reboot" {
    broker "$(reply ok 200 text/plain 'done\n')"
    agent plug=n1
    is "$status" 0
    is "$(requests)" "POST /v1/guests/n1/reboot HTTP/1.1"
}

@test "option= is the old word for action, and case does not matter" {
    broker "$(reply ok 200 text/plain 'done\n')"
    agent option=OFF plug=n1
    is "$(requests)" "POST /v1/guests/n1/off HTTP/1.1"
}

@test "status: on is 0, off is 2, anything else is 1" {
    broker "$(reply on 200 text/plain 'on\n')" "$(reply off 200 text/plain 'off\n')" \
        "$(reply odd 200 text/plain 'stopped\n')" "$(reply bad 503 text/plain 'no-endpoint: no endpoint answers\nhint: see doctor\n')"
    agent action=status plug=n1
    is "$status" 0
    agent action=status plug=n1
    is "$status" 2
    is "$out" "Status: OFF"
    agent action=status plug=n1
    fails_with "neither on nor off"
    agent action=status plug=n1
    fails_with "status n1: no-endpoint: no endpoint answers; see doctor"
}

@test "plug comes before port, port before nodename, and empty ones do not count" {
    broker "$(reply ok 200 text/plain 'on\n')"
    agent action=on nodename=c port=b plug=a
    agent action=on nodename=c port=b
    agent action=on nodename=c plug=
    is "$(requests)" "$(printf 'POST /v1/guests/%s/on HTTP/1.1\n' a b c)"
}

@test "without a plug, a power action fails and asks nobody" {
    broker "$(reply ok 200 text/plain 'on\n')"
    agent action=off
    fails_with "no plug was given"
    [ ! -s "$LOG" ]
}

@test "a plug is percent-encoded" {
    broker "$(reply ok 200 text/plain 'on\n')"
    agent action=on 'plug=a/b ?é%#&_.-Z9'
    is "$(requests)" "POST /v1/guests/a%2Fb%20%3F%C3%A9%25%23%26_.-Z9/on HTTP/1.1"
}

@test "lines are stripped, comments and blank ones skipped, quotes removed, and the last value wins" {
    broker "$(reply ok 200 text/plain 'on\n')"
    agent '# plug=x' '' '   ' '  action = on ' 'plug=first' $'\tplug = "se=cond" \r'
    is "$status" 0
    is "$err" ""
    is "$(requests)" "POST /v1/guests/se%3Dcond/on HTTP/1.1"
}

@test "- and _ are alike in keys" {
    agent action=validate-all power-timeout=x
    fails_with "power_timeout=x"
}

@test "unknown keys are warned about by name, never with their value, and ignored" {
    broker "$(reply ok 200 text/plain 'on\n')"
    agent action=on plug=n1 login=root@pam passwd=s3cret nonsense
    is "$status" 0
    is "$err" "fence_broker: warning: unknown parameters, ignored: login, passwd, line 6 (it has no '=')"
}

@test "what Pacemaker and every fence agent pass is not warned about" {
    agent action=validate-all nodename=node1 nodeid=1 port=node1 plug=node1 power_timeout=20 power_wait=0 shell_timeout=3 login_timeout=5 \
        stonith_status_sleep=1 retry_on=1 disable_timeout=1 plug_separator=, separator=, quiet=0 verbose=0 verbose_level=0 \
        help=0 version=0 delay=0 method=onoff strict=no pcmk_host_map=x
    is "$status" 0
    is "$out$err" ""
}

@test "lines of any length are read" {
    broker "$(reply ok 200 text/plain 'on\n')"
    long=$(printf '%070000d' 0)
    agent "comment=$long" action=on plug=n1
    is "$status" 0
    is "$(requests)" "POST /v1/guests/n1/on HTTP/1.1"
}

@test "a NUL byte on standard input is refused" {
    status=0
    printf 'action=off\nplug=no\0de1\n' | "$CLIENT" >"$T/out" 2>"$T/err" || status=$?
    err=$(<"$T/err")
    fails_with "line 2 of standard input holds a NUL byte"
}

@test "a bad number is an error that names its key, for every number" {
    for key in delay power_timeout power_wait shell_timeout login_timeout stonith_status_sleep retry_on verbose_level; do
        for value in -1 5s 1.5 '' 99999999999999999999 ' x'; do
            agent action=off plug=n1 "$key=$value"
            fails_with "$key="
        done
    done
}

@test "a bad method and a bad strict are errors; a bad quiet or verbose is only warned about" {
    agent action=validate-all method=soft
    fails_with "method=soft"
    agent action=validate-all strict=maybe
    fails_with "strict=maybe"
    agent action=validate-all verbose=2
    is "$status" 0
    like "$err" "*warning: verbose=2*"
}

@test "booleans: 1 yes on true, 0 no off false" {
    broker "$(reply ok 200 text/plain 'ok\n')"
    for value in 1 yes ON True; do
        agent action=monitor "strict=$value"
        is "$(requests | tail -n 1)" "GET /v1/status?view=monitor&strict=1 HTTP/1.1"
    done
    for value in 0 no OFF False; do
        agent action=monitor "strict=$value"
        is "$(requests | tail -n 1)" "GET /v1/status?view=monitor HTTP/1.1"
    done
}

@test "method=cycle reaches the broker with reboot, and means nothing elsewhere" {
    broker "$(reply ok 200 text/plain 'ok\n')"
    agent action=reboot plug=n1 method=cycle
    agent action=off plug=n1 method=cycle
    agent action=reboot plug=n1 method=onoff
    is "$(requests)" "$(printf 'POST /v1/guests/n1/%s HTTP/1.1\n' 'reboot?method=cycle' off reboot)"
}

@test "delay comes before off and reboot only" {
    broker "$(reply ok 200 text/plain 'on\n')"
    for action in on status list monitor; do
        SECONDS=0
        agent "action=$action" plug=n1 delay=30
        is "$status" 0
        ((SECONDS < 15))
    done
    for action in off reboot; do
        start=$(date +%s%N)
        agent "action=$action" plug=n1 delay=1
        is "$status" 0
        (($(date +%s%N) - start >= 1000000000))
    done
}

@test "a number with a unit is answered with the line that is meant" {
    agent action=off plug=n1 power_timeout=60s
    fails_with "power_timeout=60s is not a number"
    like "$err" "*whole seconds without a unit, as in power_timeout=60*"
    agent action=off plug=n1 delay=1m
    like "$err" "*as in delay=60*"
}

@test "unsupported actions say so in the fencer's words" {
    agent action=diag plug=n1
    fails_with "unsupported action 'diag'"
    agent action=
    fails_with "unsupported action ''"
}

@test "validate-all succeeds with Pacemaker's dummy and without a broker" {
    printf 'action=validate-all\nnodename=node1\nport=node1\n' >"$T/in"
    "$CLIENT" <"$T/in"
}

@test "validate-all refuses a socket path that no socket can have" {
    for path in broker.sock '' /run/x/ "/$(printf '%0120d' 0)"; do
        agent action=validate-all "socket=$path"
        fails_with "path"
    done
}

@test "metadata ignores bad parameters: Pacemaker must always get it" {
    agent action=metadata delay=x
    is "$status" 0
    like "$out" "<?xml*</resource-agent>"
}

@test "options and standard input ask the same" {
    broker "$(reply ok 200 text/plain 'on\n')"
    client -o off -n n1 -s "$SOCKET"
    is "$status" 0
    client --action=reboot --plug n1 --method cycle --socket="$SOCKET"
    client --socket "$SOCKET" -o monitor --strict
    client -o on --port n1 --nodename n2 -s "$SOCKET" --power-timeout=20 --power-wait 1 --shell-timeout 3 --login-timeout 5 \
        --stonith-status-sleep 1 --retry-on 1 --disable-timeout true --plug-separator , --delay 0 --verbose-level 0
    is "$status" 0
    is "$err" ""
    is "$(requests)" "$(printf '%s HTTP/1.1\n' 'POST /v1/guests/n1/off' 'POST /v1/guests/n1/reboot?method=cycle' \
        'GET /v1/status?view=monitor&strict=1' 'POST /v1/guests/n1/on')"
}

@test "standard input is not read when there are options" {
    broker "$(reply ok 200 text/plain 'on\n')"
    echo "plug=wrong" | "$CLIENT" -o on -n right -s "$SOCKET"
    is "$(requests)" "POST /v1/guests/right/on HTTP/1.1"
}

@test "bad options are errors that never repeat a value" {
    client -o off -n n1 --password=s3cret
    fails_with "unknown or misused option --password;"
    client -o off -n n1 -Z
    fails_with "unknown option -Z"
    client -o off -n
    fails_with "option -n needs a value"
    client -o off n1
    fails_with "unexpected argument 'n1'"
}

@test "-V and -h answer without a broker" {
    client -V
    is "$status" 0
    like "$out" "fence_broker [0-9]*"
    client -h
    is "$status" 0
    like "$out" "*--power-timeout=*"
    agent version=1
    like "$out" "fence_broker [0-9]*"
}

@test "quiet silences success and warnings, but neither answers nor errors" {
    broker "$(reply ok 200 text/plain 'on\n')"
    agent action=on plug=n1 quiet=1 nonsense=1
    is "$status" 0
    is "$out$err" ""
    agent action=status plug=n1 quiet=1
    is "$out" "Status: ON"
    agent action=nonsense quiet=1
    fails_with "unsupported action"
}

@test "verbose and debug_file tell what is done; the file is only appended to and private" {
    broker "$(reply ok 200 text/plain 'on\n')"
    agent action=on plug=n1 "debug_file=$T/debug" verbose=1
    is "$status" 0
    like "$err" "*debug: *POST /v1/guests/n1/on*answered 200*"
    agent action=on plug=n2 "debug=$T/debug"
    is "$err" ""
    is "$(grep -c 'POST /v1/guests/n' "$T/debug")" 2
    is "$(stat -c %a "$T/debug")" 600
}

@test "verbose_level=0 overrules verbose" {
    agent action=validate-all verbose=1 verbose_level=0
    is "$err" ""
}

@test "a debug file that cannot be written does not fail the fence" {
    broker "$(reply ok 200 text/plain 'on\n')"
    mkfifo "$T/fifo"
    for file in "$T/none/debug" "$T/fifo"; do
        agent action=off plug=n1 "debug_file=$file"
        is "$status" 0
        like "$err" "*warning: cannot write the debug file*"
    done
}

@test "list and list-status give the broker's lines, with another separator if wanted" {
    broker "$(reply list 200 text/plain '101,vm101\n102,db-1\n101,node1\n')"
    agent action=list
    is "$out" $'101,vm101\n102,db-1\n101,node1'
    client -s "$SOCKET" -o list -C ' '
    is "$out" $'101 vm101\n102 db-1\n101 node1'
    agent action=list-status separator=::
    is "$out" $'101::vm101\n102::db-1\n101::node1'
}

@test "guests whose names Pacemaker takes for complaints stay in its list" {
    broker "$(reply list 200 text/plain '101,variable-db\n102,my.invalid.variable\n103,ok\n')"
    agent action=list
    is "$out" $'101,Variable-db\n102,my.Invalid.Variable\n103,ok'
}

@test "an empty pool is an empty list" {
    broker "$(reply list 200 text/plain '')"
    agent action=list
    is "$status" 0
    is "$out" ""
}

@test "monitor fails with the broker's reason" {
    broker "$(reply bad 503 text/plain 'no-session: not logged in\nhint: see /usr/sbin/fence_broker status\n')"
    agent action=monitor
    fails_with "monitor: no-session: not logged in; see /usr/sbin/fence_broker status"
}

@test "several plugs: off only when each is off, status off only when all are" {
    broker "$(reply ok 200 text/plain 'off\n')" "$(reply on 200 text/plain 'on\n')" "$(reply off 200 text/plain 'off\n')"
    agent action=status plug=a,b
    is "$status" 0
    agent action=status plug=a,b
    is "$status" 2
    agent action=off plug='a+b' plug_separator=+
    is "$status" 0
    is "$(requests | grep -a POST)" "$(printf 'POST /v1/guests/%s/off HTTP/1.1\n' a b)"
    agent action=off plug=a,,b
    fails_with "empty name"
}

@test "a reboot of several plugs has all off before the first on" {
    broker "$(reply ok 200 text/plain 'ok\n')"
    agent action=reboot plug=a,b
    is "$status" 0
    is "$(requests)" "$(printf 'POST /v1/guests/%s HTTP/1.1\n' a/off b/off a/on b/on)"
}

@test "a reboot of several plugs is done once all were off, even if one does not start" {
    ok=$(reply ok 200 text/plain 'ok\n')
    broker "$ok" "$ok" "$(reply bad 502 text/plain 'start-failed: no space\nhint: qm start 101\n')" "$ok"
    agent action=reboot plug=a,b
    is "$status" 0
    is "$out" "Success: Rebooted"
    like "$err" "*warning: on a: start-failed: no space*"
}

@test "several plugs: the first that fails fails the fence, and says which" {
    broker "$(reply ok 200 text/plain 'ok\n')" "$(reply bad 502 text/plain 'locked: guest 102 is locked\nhint: qm unlock 102\n')"
    agent action=off plug=a,b,c
    fails_with "off b: locked: guest 102 is locked; qm unlock 102"
    is "$(requests | wc -l)" 2
}

@test "a done off stays done when standard output is closed or full" {
    broker "$(reply ok 200 text/plain 'on\n')"
    "$CLIENT" -s "$SOCKET" -o off -n n1 >/dev/full
    "$CLIENT" -s "$SOCKET" -o off -n n1 >&-
}

@test "a flood of unknown keys is read at once, and told in part" {
    broker "$(reply ok 200 text/plain 'on\n')"
    { printf 'action=status\nplug=n1\nsocket=%s\n' "$SOCKET"; seq -f 'an_unknown_key_%.0f=1' 300000; } >"$T/stdin"
    "$CLIENT" <"$T/stdin" >"$T/out" 2>"$T/err" 3>&-
    is "$(<"$T/out")" "Status: ON"
    like "$(<"$T/err")" "*ignored: an_unknown_key_1, an_unknown_key_2, * ..."
    [ "$(wc -c <"$T/err")" -lt 1200 ]
}

@test "an answer that cannot be written is a failure" {
    broker "$(reply ok 200 text/plain 'on\n')"
    for action in status list metadata; do
        status=0
        "$CLIENT" -s "$SOCKET" -o "$action" -n n1 2>"$T/err" >/dev/full || status=$?
        err=$(<"$T/err")
        fails_with "cannot write the answer"
    done
}
