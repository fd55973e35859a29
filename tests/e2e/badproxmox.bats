#!/usr/bin/env bats
# Bad input from Proxmox' side: garbage, truncated and mistyped JSON, certificates that are not to be trusted, a secret that is wrong.
# Nothing crashes, each has its words, and the next fence works.
# shellcheck disable=SC2034,SC2154

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
    SIM_ARGUMENTS=(--scale 0.1)
}
teardown() { fence_teardown; }

bad_start() {
    sim_start
    broker_start fence.deadline=5s "$@"
}

repeat() { head -c "$2" /dev/zero | tr '\0' "$1"; }

@test "garbage instead of JSON: said as such by monitor and fence, and over when Proxmox is itself again" {
    bad_start proxmox.poll-interval=1s
    sim_ctl fault garbage
    fence 101 -o off -n vm101
    [[ $status == 1 ]]
    like "$err" "fence_broker: off vm101: *"
    guest_processes 101 >/dev/null
    await 30 monitor_fails
    sim_ctl clear
    await 30 client -o monitor -q
    next_fence_works 103
}

monitor_fails() { ! client -o monitor >"$T/monitor" 2>&1; }

@test "truncated, nested, mistyped and wrongly encoded JSON: nothing crashes, the next fence works" {
    bad_start proxmox.poll-interval=1s
    local text polls
    for text in '{"data":' '{"data":[{"vmid":101,"node"' '[]' 'null' '""' '{}' '{"data":{}}' '{"data":[1,2,3]}' '{"data":"x"}' \
        '{"data":[{"vmid":"x","node":7,"type":{},"status":[]}]}' '{"data":[{"vmid":1e99,"type":"qemu","node":"pve1"}]}' \
        '{"data":[{"vmid":101,"type":"qemu","node":"../../../etc","status":"running","pool":"nfs_cluster"}]}' \
        $'{"data":[{"vmid":101,"name":"\xff\xfe","type":"qemu","node":"pve1"}]}' '{"data":[]} trailing' \
        "{\"data\":$(repeat '[' 5000)" "$(repeat '{' 60000)"; do
        sim_ctl clear
        sim_ctl stats reset
        sim_ctl fault garbage "text=$text"
        broker_reload       # polls at once
        await 30 polled
        timeout 1 "$BUILD/fence_broker" -o status -n vm101 --socket "$SOCKET" >"$T/status" 2>&1 || true   # asks again and again
        client -o monitor >"$T/status" 2>&1 || true
    done
    sim_ctl clear
    sim_ctl fault truncated
    sim_ctl stats reset
    await 30 polled
    sim_ctl clear
    await 30 client -o monitor -q
    guest_alive 101
    next_fence_works 103
}
polled() { (($(sim_stat requests) > 0)); }

@test "the wrong CA: no word is sent to that host, and the message names the certificate" {
    sim_start
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$T/other.key" -out "$T/other.pem" -subj /CN=other -days 2 2>/dev/null
    broker_configure fence.deadline=5s "proxmox.ca-file=$T/other.pem"
    broker_spawn
    await 30 broker_said certificate
    is "$(sim_stat requests)" 0
    run client -o monitor
    is "$status" 1
    like "$output" "*certificate*"
    fence 101 -o off -n vm101
    failed certificate
    guest_alive 101
    broker_reload fence.deadline=5s
    await 30 client -o monitor -q
    next_fence_works 103
}

@test "a certificate for another name is refused" {
    sim_start
    broker_configure fence.deadline=5s
    sed -i -E 's/^endpoint = (.*)/endpoint = \1 as wrong.example.com/' "$CONFIG"
    broker_spawn
    await 30 broker_said wrong.example.com
    is "$(sim_stat requests)" 0
    fence 101 -o off -n vm101
    failed certificate
    guest_alive 101
    broker_reload fence.deadline=5s
    await 30 client -o monitor -q
    next_fence_works 103
}

@test "the wrong token secret: the message says what to check; the right one after a reload works" {
    sim_start
    sim_ctl 401-delay 20
    (umask 077; echo 99999999-0000-0000-0000-000000000000 >"$T/secret")
    broker_configure fence.deadline=5s
    broker_spawn
    await 30 broker_said "does not accept the token fence@pve!broker"
    run client -o monitor
    is "$status" 1
    like "$output" "*no-session*"
    fence 101 -o off -n vm101
    failed no-session "pveum user token list fence@pve"
    guest_alive 101
    echo "$TOKEN_SECRET" >"$T/secret"
    broker_reload
    await 30 client -o monitor -q
    next_fence_works 103
    refute grep -rq 99999999-0000 "$T/broker.log.err" "$STATE"
}

@test "an endpoint that is no Proxmox at all: refused, silent, or plain HTTP" {
    sim_start
    local good
    good=$(sed -n 's/^pve2 //p' "$SIM/endpoints")
    broker_start fence.deadline=5s proxmox.answer-timeout=1s "proxmox.endpoint=$(sed -n 's/^pve1 //p' "$SIM/endpoints")" 
    for name in silent reset refuse; do
        sim_ctl fault $name endpoint=pve1
        fence 101 -o off -n vm101
        [[ $status == 1 ]]
        sim_ctl clear
    done
    await 30 client -o monitor -q
    next_fence_works 103
}
