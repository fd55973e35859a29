#!/usr/bin/env bats
# Bad input from the socket's side: malformed, over-long, slow, silent and deaf peers. Nothing crashes, each has its answer, and the next
# fence works. What may come from Proxmox' side is in badproxmox.bats.
# shellcheck disable=SC2034,SC2154

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
    SIM_ARGUMENTS=(--scale 0.1)
    ABUSE=$BATS_TEST_DIRNAME/socket-abuse
}
teardown() { fence_teardown; }

bad_start() {
    sim_start
    broker_start fence.deadline=5s "$@"
}

# says BYTES STATUS: printf's BYTES in one go are answered with STATUS
says() {
    local answer
    # shellcheck disable=SC2059
    answer=$(printf "$1" | "$ABUSE" "$SOCKET" send | head -n 1 | tr -d '\r')
    [[ $answer == "HTTP/1.1 $2 "* ]] || { printf "for %q: expected %s, got %q\n" "${1:0:100}" "$2" "$answer" >&2; return 1; }
}

repeat() { head -c "$2" /dev/zero | tr '\0' "$1"; }

@test "malformed requests are answered with what is wrong, and the next fence works" {
    bad_start
    local host='Host: localhost\r\n' off='POST /v1/guests/vm101/off HTTP/1.1\r\nHost: localhost\r\n'
    says "GET /v1/status HTTP/1.1\\r\\n$host\\r\\n" 200      # so far, so good
    says 'GARBAGE\r\n\r\n' 400
    says '\r\n\r\n\r\n' 400
    says 'GET\r\n\r\n' 400
    says 'GET /v1/status\r\n\r\n' 400
    says "GET  /v1/status HTTP/1.1\\r\\n$host\\r\\n" 400
    says "GET /v1/status HTTP/1.1 \\r\\n$host\\r\\n" 400
    says "GET /v1/status FTP/1.1\\r\\n$host\\r\\n" 400
    says "GET v1/status HTTP/1.1\\r\\n$host\\r\\n" 400
    says "GET http://localhost/v1/status HTTP/1.1\\r\\n$host\\r\\n" 400
    says "GET /v1/guests/%%00 HTTP/1.1\\r\\n$host\\r\\n" 400
    says "GET /v1/guests/%%zz HTTP/1.1\\r\\n$host\\r\\n" 400
    says "GET /v1/guests/%%4 HTTP/1.1\\r\\n$host\\r\\n" 400
    says "GET /v1/guests/%%0a HTTP/1.1\\r\\n$host\\r\\n" 400
    says 'GET /v1/status HTTP/1.1\r\n\r\n' 400
    says 'GET /v1/status HTTP/1.1\r\nHost localhost\r\n\r\n' 400
    says "GET /v1/status HTTP/1.1\\r\\n$host: x\\r\\n\\r\\n" 400
    says "GET /v1/status HTTP/1.1\\r\\n${host}A: b\\r\\n c\\r\\n\\r\\n" 400
    says "GET /v1/status HTTP/1.1\\r\\n${host}A: \\001\\r\\n\\r\\n" 400
    says "GET /v1/st\\000atus HTTP/1.1\\r\\n$host\\r\\n" 400
    says "${off}Content-Length: x\\r\\n\\r\\n" 400
    says "${off}Content-Length: -1\\r\\n\\r\\n" 400
    says "${off}Content-Length: 0\\r\\nContent-Length: 5\\r\\n\\r\\n12345" 400
    says "${off}Request-Id: a b\\r\\n\\r\\n" 400
    says "${off}Request-Id: $(repeat a 65)\\r\\n\\r\\n" 400
    says "${off}\\r\\nPOST /v1/guests/vm101/off HTTP/1.1\\r\\n$host\\r\\n" 400      # pipelined
    # nothing of this was taken for a fence
    is "$(sent stop 101)" 0
    guest_alive 101
    next_fence_works 103
}

@test "over-long heads, bodies and chunks are refused by their names" {
    bad_start
    local host='Host: localhost\r\n' off='POST /v1/guests/vm101/off HTTP/1.1\r\nHost: localhost\r\n' headers='' i
    says "GET /$(repeat a 9000) HTTP/1.1\\r\\n$host\\r\\n" 431
    says "GET /v1/status HTTP/1.1\\r\\n${host}A: $(repeat b 60000)\\r\\n\\r\\n" 431
    says "$(repeat x 200000)" 431
    for i in {1..80}; do headers+="H$i: 1\\r\\n"; done
    says "GET /v1/status HTTP/1.1\\r\\n$host$headers\\r\\n" 431
    says "${off}Content-Length: 5\\r\\n\\r\\nabcde" 413
    says "${off}Content-Length: 99999999999999999999\\r\\n\\r\\n" 413
    says "${off}Content-Length: 300000\\r\\n\\r\\n$(repeat y 300000)" 413
    says "${off}Transfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n" 501
    guest_alive 101
    next_fence_works 103
}

@test "unknown routes, methods, parameters and plugs say what there is" {
    bad_start
    is "$(ask GET /nothing -o /dev/null -w '%{http_code}')" 404
    is "$(ask GET /v1/operations/nosuch -o /dev/null -w '%{http_code}')" 404
    is "$(ask GET /v1/guests/vm101/off -o /dev/null -w '%{http_code}')" 405
    is "$(ask DELETE /v1/guests -o /dev/null -w '%{http_code}')" 405
    is "$(ask POST '/v1/guests/vm101/off?force=1' -o /dev/null -w '%{http_code}')" 400
    is "$(ask POST '/v1/guests/vm101/reboot?method=hammer' -o /dev/null -w '%{http_code}')" 400
    is "$(ask POST /v1/guests/vm101/explode -o /dev/null -w '%{http_code}')" 404
    is "$(ask POST /v1/guests/nosuch/off | json error.code)" unknown-plug
    is "$(ask POST /v1/guests/200/off | json error.code)" unknown-plug    # outside the pool (P2)
    is "$(ask POST /v1/guests/stranger/off | json error.code)" unknown-plug
    is "$(ask POST "/v1/guests/$(repeat z 4000)/off" | json error.code)" unknown-plug
    guest_alive 101 && guest_alive 200
    is "$(sim_calls stop)" 0
    next_fence_works 103
}

@test "random bytes, all at once: five hundred connections of them" {
    bad_start
    local i
    for i in {1..20}; do
        for _ in {1..25}; do head -c $((i * 700)) /dev/urandom | "$ABUSE" "$SOCKET" send >/dev/null 2>&1 & done
        # shellcheck disable=SC2046
        wait $(jobs -p | grep -vxE "$SIM_PID|$BROKER_PID")
    done
    next_fence_works 103
}

@test "a slow writer is cut off after 5 s, and keeps nobody waiting" {
    bad_start
    local start
    start=$(now_ms)
    printf 'GET /v1/status HTTP/1.1\r\nHost: localhost\r\nA: %s\r\n\r\n' "$(repeat a 200)" >"$T/slow"
    spawn "$T/drip.1" bash -c '"$1" "$2" drip 100 <"$3"' - "$ABUSE" "$SOCKET" "$T/slow"
    local slow=$SPAWNED
    takes_at_most 2000 client -o status -n vm101
    fence 101 -o off -n vm101
    succeeded
    within 2000
    wait "$slow"
    like "$(head -n 1 "$T/drip.1")" "HTTP/1.1 408 *"
    at_least $(($(now_ms) - start)) 4500
    at_most $(($(now_ms) - start)) 8000
    next_fence_works 103
}

# hold NAME COMMAND…: a command that says "ready" and holds its connections until released
hold() {
    local name=$1
    shift
    mkfifo "$T/$name.fifo"
    # shellcheck disable=SC2094
    setpriv --pdeathsig KILL -- "$@" <"$T/$name.fifo" >"$T/$name" 2>&1 3>&- &
    HELD=$!
    exec {HOLD}>"$T/$name.fifo"
}

@test "a hundred idle connections of root's and of a member's: Pacemaker is served at once" {
    sim_start
    chmod 755 "$T/run"
    broker_start fence.deadline=5s socket.group=daemon
    hold root "$ABUSE" "$SOCKET" idle 100
    await 30 grep -q 'ready 100' "$T/root"
    local root=$HELD root_hold=$HOLD
    install -m 755 "$ABUSE" "$T/" # the checkout may lie where others cannot reach
    hold member setpriv --reuid 1 --regid "$(getent group daemon | cut -d: -f3)" --clear-groups -- "$T/socket-abuse" "$SOCKET" idle 100
    await 30 grep -q 'ready 100' "$T/member"
    fence 101 -o off -n vm101
    succeeded
    within 2000
    takes_at_most 2000 client -o monitor
    # a member's flood is its own: 32 of its hundred were let in
    like "$(curl -sS --unix-socket "$METRICS" http://localhost/metrics)" *'fence_broker_connections{socket="broker"} 132'*
    exec {HOLD}>&- {root_hold}>&-
    wait "$HELD" "$root" || true
    next_fence_works 103
}

@test "peers that never read their answers, and peers that half-close, do not disturb" {
    bad_start
    hold deaf "$ABUSE" "$SOCKET" deaf 60
    printf 'GET /v1/operations HTTP/1.1\r\nHost: localhost\r\n\r\n' >&"$HOLD"
    await 30 grep -q 'ready 60' "$T/deaf"
    # a half-closed connection still gets its answer: its peer reads
    printf 'GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n' | "$ABUSE" "$SOCKET" half | head -n 1 | grep -q '^HTTP/1.1 200'
    fence 101 -o off -n vm101
    succeeded
    exec {HOLD}>&-
    wait "$HELD" || true
    next_fence_works 103
}
