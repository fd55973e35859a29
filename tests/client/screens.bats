#!/usr/bin/env bats
# How screens are shown: as they come where nobody looks, painted and fitted on a terminal, again and again with --watch.
# shellcheck disable=SC2154

load helper

setup() {
    client_setup
    WATCHED=
    ESC=$'\033'
}
teardown() {
    [[ -z $WATCHED ]] || kill -s KILL "$WATCHED" 2>/dev/null || true
    client_teardown
}

# on_terminal COLUMNS TERM ARGUMENT…: the client on a terminal of its own; sets out to what it wrote there
on_terminal() {
    local columns=$1 term=$2
    shift 2
    printf '%s\n' "stty cols $columns rows 24" "export TERM=$term" "exec $CLIENT $* --socket $SOCKET" >"$T/command"
    timeout 60 script -qefc "sh $T/command" /dev/null >"$T/terminal" 2>&1 </dev/null 3>&-
    out=$(tr -d '\r' <"$T/terminal")
}

# until_there SECONDS FILE TEXT
until_there() {
    local i
    for ((i = 0; i < $1 * 20; i++)); do
        ! grep -qsF -- "$3" "$2" || return 0
        sleep 0.05
    done
    printf 'not in %s: %s\n%s\n' "$2" "$3" "$(cat "$2")" >&2
    return 1
}

SCREEN='Verdict: degraded\n  locked (blocked): Proxmox refuses power calls while the guest is locked, and so on and on\n    hint: wait, then `qm unlock 104 and a command that is much longer than the whole of the line` is it\n           paste: printf a-line-that-is-to-be-pasted and must not be broken anywhere at all\n\nVMID  NAME  VERDICT\n101   ready it  ready\n'

@test "without a terminal a screen is passed on byte for byte" {
    broker "$(reply screen 200 text/plain "$SCREEN")"
    client status --socket "$SOCKET"
    printf '%b' "$SCREEN" | cmp - "$T/out"
}

@test "on a terminal verdicts are painted where they stand alone, and only there" {
    broker "$(reply screen 200 text/plain "$SCREEN")"
    on_terminal 120 xterm status
    like "$out" "Verdict: $ESC\[33mdegraded$ESC\[0m"$'\n'"  locked ($ESC\[31mblocked$ESC\[0m): *"
    like "$out" "*101   ready it  $ESC\[32mready$ESC\[0m*"
}

@test "NO_COLOR and a dumb terminal get no escape sequence" {
    broker "$(reply screen 200 text/plain "$SCREEN")"
    NO_COLOR=1 on_terminal 120 xterm status
    unlike "$out" "*$ESC*"
    like "$out" "Verdict: degraded*"
    NO_COLOR='' on_terminal 120 xterm status
    like "$out" "*$ESC\[33mdegraded*"
    on_terminal 120 dumb status
    unlike "$out" "*$ESC*"
}

@test "long lines are broken between words, below their beginning; what is to be pasted stays whole" {
    broker "$(reply screen 200 text/plain "$SCREEN")"
    NO_COLOR=1 on_terminal 60 xterm status
    is "$(sed -n 2,3p <<<"$out")" $'  locked (blocked): Proxmox refuses power calls while the\n    guest is locked, and so on and on'
    like "$out" '*`qm unlock 104 and a command that is much longer than the whole of the line`*'
    like "$out" '*           paste: printf a-line-that-is-to-be-pasted and must not be broken anywhere at all'$'\n''*'
}

@test "without a terminal --watch is one answer after the other, and --json one document a line" {
    broker "$(reply screen 200 text/plain 'Verdict: ready\n')"
    "$CLIENT" status --watch=0.1 --socket "$SOCKET" >"$T/watched" 2>&1 </dev/null 3>&- &
    WATCHED=$!
    until_there 20 "$T/watched" $'Verdict: ready'
    for _ in $(seq 600); do (($(grep -c '^Verdict: ready$' "$T/watched") < 3)) || break; sleep 0.05; done
    kill -s TERM "$WATCHED"
    wait "$WATCHED" || true
    WATCHED=
    (($(grep -c '^Verdict: ready$' "$T/watched") >= 3))
    refute_in "$ESC" "$T/watched"
    like "$(head -n 1 "$T/watched")" "fence_broker status, every 0.1 s, [0-9][0-9]:*"
}
refute_in() { ! grep -qF -- "$1" "$2"; }

@test "--watch redraws in place, goes on without a daemon and with the next one, and SIGINT gives the terminal back" {
    broker "$(reply screen 200 text/plain 'Verdict: ready\n')"
    printf '%s\n' "stty cols 100 rows 24" "export TERM=xterm" "echo \$\$ >$T/pid" \
        "exec $CLIENT targets --watch=0.1 --socket $SOCKET" >"$T/command"
    script -qfc "sh $T/command" /dev/null >"$T/watched" 2>&1 </dev/null 3>&- &
    WATCHED=$!
    until_there 20 "$T/watched" "ready"
    like "$(head -c 30 "$T/watched")" "$ESC\[?1049h$ESC\[?25l$ESC\[H*"
    kill "$BROKER_PID"
    wait "$BROKER_PID" || true
    rm -f "$SOCKET"
    until_there 20 "$T/watched" "no daemon"
    broker "$(reply later 200 text/plain 'Verdict: blocked\n')"
    until_there 30 "$T/watched" "blocked"
    kill -s INT "$(<"$T/pid")"
    wait "$WATCHED" || true
    WATCHED=
    like "$(tail -c 20 "$T/watched" | tr -d '\r\n')" "*$ESC\[?25h$ESC\[?1049l*"
}

@test "--watch goes with status and targets only, and with a sane interval" {
    client history --watch
    fails_with "--watch works with status and targets"
    for interval in 0 x 0.01 9999 1s '' -1; do
        client status --watch="$interval"
        fails_with "is not an interval"
    done
}
