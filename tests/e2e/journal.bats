#!/usr/bin/env bats
# What the daemon says, in a real journal (systemd-journald in a mount namespace of the test's own), explained by the catalog; and that it
# says nothing while nothing changes.
# shellcheck disable=SC2034,SC2154

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
    JOURNAL_PID=''
}
teardown() {
    local code=0
    fence_teardown || code=$?
    [[ -z ${JOURNAL_PID:-} ]] || end_process "$JOURNAL_PID" TERM || true
    return "$code"
}

# ---- a journal of the test's own ----

# journal_start: journald, with nothing of this machine's journal, kernel log or catalog in sight; the broker writes to it, as under systemd
journal_start() {
    ((EUID == 0)) || missing "a journald of its own needs root"
    [[ -x /lib/systemd/systemd-journald ]] || missing "there is no systemd-journald"
    unshare --mount true 2>/dev/null || missing "mount namespaces"
    mkdir "$T/catalog"
    cp "$ROOT/systemd/fence-broker.catalog" "$T/catalog/"
    # shellcheck disable=SC2016
    spawn "$T/journald" unshare --mount --propagation private bash -ec '
        for dir in /run /var/log /var/lib; do mount -t tmpfs tmpfs "$dir"; done
        mkdir -p /run/systemd/journal /run/log/journal /var/lib/systemd/catalog
        mount --bind "$1" /usr/lib/systemd/catalog
        [ ! -e /dev/kmsg ] || mount --bind /dev/null /dev/kmsg
        [ -s /etc/machine-id ] || { systemd-id128 new >/run/machine-id; mount --bind /run/machine-id /etc/machine-id; }
        journalctl --update-catalog
        exec /lib/systemd/systemd-journald' - "$T/catalog"
    JOURNAL_PID=$SPAWNED
    await 30 journal_listens || { cat "$T/journald.err" >&2; return 1; }
    # shellcheck disable=SC2016
    BROKER_COMMAND=(nsenter --mount="/proc/$JOURNAL_PID/ns/mnt" bash -c
        'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2); export JOURNAL_STREAM; exec "$@"' - "$BUILD/fence_brokerd")
}
journal_listens() { [[ -S /proc/$JOURNAL_PID/root/run/systemd/journal/socket ]]; }
# journal ARGUMENT…: journalctl, of the daemon's lines
journal() {
    nsenter --mount="/proc/$JOURNAL_PID/ns/mnt" journalctl --no-pager -q -D /run/log/journal SYSLOG_IDENTIFIER=fence_brokerd "$@"
}
# journal_has FIELD=VALUE…: a line with all of them
journal_has() { [[ -n $(journal -o cat "$@") ]]; }

@test "a fence, a failure, a denial and a refused reload stand in the journal with their fields, and the catalog explains them" {
    local id shown
    journal_start
    both_start fence.lock-wait=1s
    id=$("$BUILD/tables" | awk '$2 == "operation-done" { print $3 }')
    fence 101 -o off -n vm101
    succeeded
    await 30 journal_has "MESSAGE_ID=$id" FENCE_EVENT=operation-done FENCE_TARGET=vm101 FENCE_ACTION=off FENCE_RESULT=done \
        "FENCE_OPERATION=$(operation id)" PVE_VMID=101 PVE_NODE=pve1 PEER_UID=0 PEER_USER=root PRIORITY=5 "SYSLOG_PID=$BROKER_PID"
    journal_has FENCE_EVENT=request-allowed FENCE_TARGET=vm101 FENCE_ACTION=off PRIORITY=6

    sim_ctl set 102 lock=backup
    fence 102 -o off -n vm102
    failed locked
    await 30 journal_has FENCE_EVENT=operation-failed FENCE_TARGET=vm102 FENCE_RESULT=failed ERROR_CODE=locked PRIORITY=3
    like "$(journal -o verbose FENCE_EVENT=operation-failed)" "*ERROR_HINT=?*"

    fence 999 -o off -n nobody
    await 30 journal_has FENCE_EVENT=request-not-begun FENCE_TARGET=nobody ERROR_CODE=unknown-plug PRIORITY=4

    chmod 0666 "$SOCKET"
    setpriv --reuid 12345 --regid 12345 --clear-groups -- curl -s --unix-socket "$SOCKET" -o /dev/null http://localhost/v1/status
    await 30 journal_has FENCE_EVENT=request-denied PEER_UID=12345 PEER_GID=12345 PRIORITY=4
    like "$(journal -o verbose FENCE_EVENT=request-denied)" "*FENCE_RULE=?*"

    echo 'nonsense = 1' >>"$CONFIG"
    kill -s HUP "$BROKER_PID"
    await 30 journal_has FENCE_EVENT=reload-refused PRIORITY=3
    broker_stop
    await 30 journal_has FENCE_EVENT=ended

    # each line that is worth a notice has a kind; each kind's words come with nothing left to be put in
    is "$(journal -o json --output-fields=MESSAGE_ID,MESSAGE -p notice | grep -cv '"MESSAGE_ID"')" 0
    shown=$(journal -x)
    like "$shown" "*Subject: A fence failed*"
    like "$shown" "*stonith_admin --confirm vm102*"
    like "$shown" "*Subject: The new configuration was refused*man:fence_brokerd(8)*"
    # what a line does not have would be shown as the name of its field
    shown=$(journal -x FENCE_EVENT={operation-done,operation-failed,operation-step,request-{allowed,answered,denied,not-begun},privileges-fine,reload-refused})
    refute grep -E '^-- .*(@|\b(FENCE|PEER|PVE|ERROR)_[A-Z_]+\b)' <<<"$shown"
    # and nothing went to stderr beside it
    is "$(cat "$T/broker.log.err")" ""
}

@test "a start that fails says so in the journal" {
    journal_start
    sim_start
    broker_configure proxmox.pool=
    spawn "$T/broker.log" "${BROKER_COMMAND[@]}" -c "$CONFIG"
    await 30 journal_has FENCE_EVENT=not-started PRIORITY=3
    like "$(journal -o cat FENCE_EVENT=not-started)" "*pool*"
}

# ---- silence ----

rounds() { sim_calls resources; }
has_rounds() { (($(rounds) >= $1)); }
# hours N: go by, here and at Proxmox, each with a round of polls
hours() {
    local hour seen
    for ((hour = 1; hour <= $1; hour++)); do
        sim_ctl clock +3600
        SHIFT=$((SHIFT + 3600))
        printf '%-20s' "$SHIFT" | dd of="$T/shift" conv=notrunc status=none
        seen=$(rounds)
        await 30 has_rounds $((seen + 4))
    done
}
shifted_start() {
    BROKER_COMMAND=("$BUILD/shifted/fence_brokerd")
    SHIFT=0
    printf '%-20s' 0 >"$T/shift"
    export SHIFTED_CLOCK=$T/shift
    (umask 077; printf '%s\n' "$OPERATOR_PASSWORD" >"$T/secret")
    sim_start
    broker_start proxmox.token-id= proxmox.user=operator@pve proxmox.poll-interval=1s
}

@test "a daemon with nothing to do says nothing, over many polls, tickets and hours" {
    local before seen
    shifted_start
    seen=$(rounds)
    await 30 has_rounds $((seen + 2))
    before=$(<"$T/broker.log.err")
    hours 4
    is "$(<"$T/broker.log.err")" "$before"
    # it was busy: tickets were renewed meanwhile
    at_least "$(sim_calls ticket)" 4
}

all_are_ready() { ask GET /metrics | grep -q '^fence_broker_guests{verdict="ready"} 4$'; }
has_calls() { (($(sim_calls status) >= $1 && $(sim_calls rehearse) >= $1)); }

@test "checks and rehearsals that go well are not said" {
    local before
    sim_start
    broker_start proxmox.poll-interval=1s proxmox.check-interval=1s proxmox.rehearse-interval=1s
    await 30 all_are_ready
    # that it has become better is said after a few polls
    await 30 has_rounds $(($(rounds) + 8))
    before=$(<"$T/broker.log.err")
    sim_ctl stats reset
    await 30 has_calls 8
    is "$(<"$T/broker.log.err")" "$before"
}

@test "what lasts is said once, and its end once" {
    local seen
    sim_start
    broker_start proxmox.poll-interval=1s
    sim_ctl fault http call=resources status=500 reason=no
    seen=$(rounds)
    await 30 has_rounds $((seen + 6))
    is "$(grep -c FENCE_EVENT=polling-failed "$T/broker.log.err")" 1
    sim_ctl clear
    await 30 broker_said FENCE_EVENT=polling-resumed
    seen=$(rounds)
    await 30 has_rounds $((seen + 4))
    is "$(grep -c FENCE_EVENT=polling- "$T/broker.log.err")" 2
}
