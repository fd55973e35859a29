#!/usr/bin/env bats
# Rehearsals: what Proxmox says to a stop that it must refuse is known before a fence needs it, and nothing ever comes of one. What pvesim has
# to tell about it are its log, its list of tasks, and the guests' processes.
# shellcheck disable=SC2034,SC2154

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
    SIM_ARGUMENTS=(--scale 0.05)
}
teardown() { fence_teardown; }

# pvesim and the broker, which rehearses each of the four guests once a second
rehearsing() {
    sim_start
    broker_start proxmox.rehearse-interval=1s "$@"
}

rehearsed() { (($(sim_calls rehearse) >= $1)); }
rehearsed_guest() { (($(rehearsals_of "$1") >= $2)); }
rehearsals_of() { sim_ctl log | grep -c "/$1/status/stop .* call=rehearse$" || true; }
reason_of() { ask GET "/v1/guests" | perl -MJSON::PP -0777 -e '
    my ($guest) = grep { $_->{vmid} == $ARGV[0] } @{ decode_json(scalar <STDIN>)->{guests} };
    print join(",", map { ref $_ ? $_->{reason} : $_ } @{ $guest->{reasons} }), "\n"' "$1"; }
has_reason() { [[ ,$(reason_of "$1"), == *,"$2",* ]]; }
lacks_reason() { [[ ,$(reason_of "$1"), != *,"$2",* ]]; }
metric() { ask GET /metrics | sed -n "s/^$1 //p"; }
counted() { (($(metric "fence_broker_rehearsals_total{target=\"$1\",result=\"$2\"}") >= $3)); }
lives() { for guest in 101 102 103 120; do guest_life "$guest"; done; }
nothing_happened() {
    is "$(sim_ctl tasks)" ""
    is "$(lives)" "$1"
    is "$(sim_calls stop)" 0
}

@test "every guest has its turn; no task is made, no guest is touched, and each has a connection of its own" {
    rehearsing proxmox.poll-interval=10min proxmox.check-interval=0s
    local before connections
    before=$(lives)
    await 30 rehearsed 4
    sim_ctl stats reset
    await 30 rehearsed 12
    for guest in 101 102 103 120; do await 30 rehearsed_guest "$guest" 4; done
    nothing_happened "$before"
    # nothing else was asked: as many connections as rehearsals, but for one under way
    connections=$(sim_stat connections)
    (($(sim_calls rehearse) - connections <= 1 && connections - $(sim_calls rehearse) <= 1))
    refute grep -vE '^[0-9]+ POST /nodes/pve[123]/(qemu|lxc)/[0-9]+/status/stop 400 as=fence@pve!broker endpoint=pve[12] body=0 call=rehearse$' \
        <(sim_ctl log | tail -n 8)
    # only now: whoever looks again and again makes the polls more frequent
    for guest in 101 102 103 120; do is "$(reason_of "$guest")" ""; done
}

@test "a body that gets lost makes no stop of it" {
    sim_start
    sim_ctl fault body-lost
    broker_start proxmox.rehearse-interval=1s
    local before
    before=$(lives)
    await 30 rehearsed 8
    nothing_happened "$before"
}

@test "what Proxmox says to one guest is that guest's reason, and goes when it is mended" {
    rehearsing
    await 30 counted 103 accepted 1
    sim_ctl fault stop-403 guest=103 call=rehearse
    await 30 has_reason 103 no-power-right
    is "$(reason_of 101)" ""
    sim_ctl clear
    await 30 lacks_reason 103 no-power-right
    sim_ctl fault param-error guest=120 call=rehearse name=node text='not here'
    await 30 has_reason 120 rehearsal-failed
    is "$(reason_of 102)" ""
    client doctor >"$T/doctor" || true
    grep -q 'rehearsal-failed.*node.*not here' "$T/doctor"
    sim_ctl clear
    await 30 lacks_reason 120 rehearsal-failed
    sim_ctl fault reply-lost-before guest=101 call=rehearse
    await 30 has_reason 101 rehearsal-failed
    await 30 counted 101 unanswered 1
    sim_ctl clear
    await 30 lacks_reason 101 rehearsal-failed
    is "$(sim_ctl tasks)" ""
}

@test "a privilege that is taken away from one guest is seen" {
    rehearsing
    await 30 counted 102 accepted 1
    is "$(reason_of 102)" ""
    echo 'acl:1:/vms/102:fence@pve,fence@pve!broker:NoAccess:' >>"$SIM/user.cfg"
    sim_ctl reload
    await 30 counted 102 refused 1
    # by the rehearsal, or by the list of guests that has it no more
    not client rehearse 102
}

@test "one that is carried out ends all of them, says so everywhere, and is remembered until it is taken back" {
    rehearsing
    await 30 rehearsed 4
    sim_ctl fault param-lost guest=102 call=rehearse count=1
    await 30 broker_said FENCE_EVENT=rehearsals-ended
    local count
    count=$(sim_calls rehearse)
    is "$(grep -c 'critical .*guest 102: .*real stop' "$T/broker.log.err")" 1
    guest_note 102
    has_reason 101 rehearsal-unsafe
    lacks_reason 102 rehearsal-failed
    is "$(metric 'fence_broker_rehearsals_total{target="102",result="carried-out"}')" 1
    client doctor >"$T/doctor" && is 1 2 || is $? 2
    grep -q rehearsal-unsafe "$T/doctor"
    client rehearse 101 2>"$T/err" && is 1 2 || is $? 1
    grep -q 'nothing is rehearsed any more' "$T/err"
    # a fence works as ever
    next_fence_works 103
    broker_reload
    await 30 test -s "$STATE/rehearsals-ended.json"
    broker_stop
    broker_spawn
    await 30 client -o monitor -q
    has_reason 101 rehearsal-unsafe
    is "$(sim_calls rehearse)" "$count"
    rm "$STATE/rehearsals-ended.json"
    broker_reload
    await 30 rehearsed $((count + 4))
    broker_said FENCE_EVENT=rehearsals-resumed
    lacks_reason 101 rehearsal-unsafe
}

@test "never while an operation runs on the guest, and the others have their turns" {
    local before others
    sim_start
    sim_hold stop 101
    broker_start proxmox.rehearse-interval=1s
    await 30 rehearsed_guest 101 1
    fence_begin off 101 -o off -n vm101
    sim_held 101
    not client rehearse 101 2>"$T/err"
    grep -q 'an operation on guest 101 is under way' "$T/err"
    before=$(rehearsals_of 101) others=$(rehearsals_of 102)
    await 60 rehearsed_guest 102 $((others + 2))
    is "$(rehearsals_of 101)" "$before"
    sim_release 101
    fence_end off
    succeeded
    await 30 rehearsed_guest 101 $((before + 1)) # afterwards it has its turns again
    guest_dead 101
}

@test "on demand: one guest, all of them, as text and as JSON, with the exit status" {
    sim_start
    broker_start
    client rehearse vm101 >"$T/out"
    grep -qE '^accepted: vm101 \(101\) on pve1 in [0-9]+ ms, asked at 127.0.0.1' "$T/out"
    is "$(sim_calls rehearse)" 1
    client rehearse >"$T/out"
    is "$(sed 's/ in .*//' "$T/out")" $'accepted: vm101 (101) on pve1\naccepted: vm102 (102) on pve2\naccepted: vm103 (103) on pve3\naccepted: ct120 (120) on pve2'
    sim_ctl fault stop-403 guest=120 call=rehearse
    client rehearse >"$T/out" && is 0 1 || is $? 1
    is "$(grep -c ^accepted "$T/out")" 3
    grep -q '403 Permission check failed (/vms/120, VM.PowerMgmt)' "$T/out"
    client rehearse 120 --json >"$T/out" && is 0 1 || is $? 1
    is "$(json rehearsal.result <"$T/out") $(json rehearsal.error.code <"$T/out")" "refused no-power-right"
    client rehearse --json >"$T/out" && is 0 1 || is $? 1
    is "$(json rehearsals.3.rehearsal.vmid <"$T/out")" 120
    is "$(ask POST /v1/guests/nobody/rehearse | json error.code)" unknown-plug
    is "$(ask POST /v1/guests/200/rehearse | json error.code)" unknown-plug
    is "$(sim_ctl tasks)" ""
}

@test "only guests that one may power are rehearsed for one" {
    [[ $(id -u) == 0 ]] || missing "root is needed to ask as somebody else"
    sim_start
    broker_configure socket.group=daemon access.enable-acl=yes
    printf '%s\n' '[user bin]' 'rule = write guest:102 action:rehearse' 'rule = read guest:*' >>"$CONFIG"
    chmod 755 "$T/run"
    broker_spawn
    await 30 client -o monitor -q
    as_bin() { setpriv --reuid bin --regid daemon --clear-groups "$BUILD/fence_broker" "$@" --socket "$SOCKET" </dev/null; }
    as_bin rehearse >"$T/out"
    is "$(sed 's/ in .*//' "$T/out")" "accepted: vm102 (102) on pve2"
    not as_bin rehearse 101 2>"$T/err"
    grep -q denied "$T/err"
}

@test "a silent host costs the others little, and a day of rehearsals as they are sent leaves no task" {
    rehearsing proxmox.answer-timeout=500ms
    await 30 rehearsed 4
    sim_ctl fault silent guest=103 call=rehearse
    await 30 has_reason 103 rehearsal-failed
    sim_ctl stats reset
    await 30 rehearsed_guest 101 4
    (($(rehearsals_of 103) <= 8))
    sim_ctl clear
    broker_stop
    # as many as a guest sees in a day of the default interval, in a few seconds
    local before url
    before=$(lives)
    sim_ctl stats reset
    url=$(sed -n 's/^pve1 //p' "$SIM/endpoints")
    for n in {1..360}; do
        for path in pve1/qemu/101 pve2/qemu/102 pve3/qemu/103 pve2/lxc/120; do
            printf 'url = "https://%s/api2/json/nodes/%s/status/stop?timeout=probe"\noutput = "%s"\n' "$url" "$path" "$T/answer"
        done
    done >"$T/urls"
    curl -sS --cacert "$SIM/pve-root-ca.pem" -X POST -H "Authorization: PVEAPIToken=fence@pve!broker=$TOKEN_SECRET" -K "$T/urls" \
        -w '%{http_code}\n' | sort | uniq -c >"$T/codes"
    is "$(tr -s ' ' <"$T/codes")" " 1440 400"
    nothing_happened "$before"
}
