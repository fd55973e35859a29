#!/usr/bin/env bats
# The life of an operation: joins and queues (P6), askers that die (P4), daemons that are killed or stopped in the middle (P5), reloads, and
# a history that cannot be written.
# shellcheck disable=SC2034,SC2154

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
    SIM_ARGUMENTS=(--scale 0.1)
}
teardown() {
    thaw
    [[ -z ${FROZEN:-} ]] || umount -l "$FROZEN" || true
    fence_teardown
}

life_start() {
    sim_start
    broker_start "${1:-fence.deadline=60s}" "${@:2}"
}
operations_are() { [[ $(operations "$1" | wc -l) == "$2" ]]; }

# even one whose answer was lost
stop_was_asked() { (($(sim_calls stop) > 0)); }
agent_of() { pgrep -P "$(head -n 1 "$T/$1.fence")" -x fence_broker; }

# ---- P6 ----

@test "P6: an equal request joins: two askers, one stop, one operation" {
    life_start
    sim_hold stop 101
    fence_begin one 101 -o off -n vm101
    sim_held 101
    fence_begin two 101 -o off -n 101
    await 30 operation_says "joined by another request"
    sim_release 101
    fence_end one && succeeded
    fence_end two && succeeded
    guest_dead 101
    is "$(sent stop 101)" 1
    is "$(operations 101 | wc -l)" 1
    like "$(curl -sS --unix-socket "$METRICS" http://localhost/metrics)" *'fence_broker_joined_total 1'*
}

@test "P6: unequal requests take turns, in their order" {
    life_start
    sim_hold stop 101
    life=$(guest_life 101)
    fence_begin one 101 -o off -n vm101
    sim_held 101
    fence_begin two 101 -o on -n vm101
    await 30 operations_are 101 2
    sim_release 101
    fence_end one && succeeded
    fence_end two && succeeded
    guest_alive 101
    unlike "$(guest_life 101)" "$life"
    is "$(sent stop 101)/$(sent start 101)" 1/1
}

@test "off during a reboot's power-on: the guest ends off, and stays off" {
    life_start
    sim_hold start 101
    fence 101 -o reboot -n vm101
    succeeded
    sim_held 101
    fence_begin off 101 -o off -n vm101
    await 30 operations_are 101 2
    sim_release 101
    fence_end off
    succeeded
    guest_dead 101
    # both tasks have ended: nothing is under way that could start it again
    refute grep -E ':101:.* running$' <(sim_ctl tasks)
    guest_dead 101
}

@test "off while a reboot's power-on is held back: no start is sent at all" {
    life_start
    sim_ctl fault carried-out-late call=stop guest=101 ms=40000 count=1
    broker_reload fence.deadline=60s proxmox.answer-timeout=1s
    fence 101 -o reboot -n vm101
    succeeded
    fence 101 -o off -n vm101
    succeeded
    guest_dead 101
    is "$(sent start 101)" 0
    like "$(operations 101 | tail -n 1 | json outcome)" done
}

@test "on joins a reboot's power-on: one start" {
    life_start
    sim_hold start 101
    fence 101 -o reboot -n vm101
    succeeded
    sim_held 101
    guest_dead 101
    fence_begin on 101 -o on -n vm101
    await 30 broker_said "on of vm101 asked by"
    sim_release 101
    fence_end on
    succeeded
    guest_alive 101
    is "$(sent start 101)" 1
}

# ---- P4 ----

@test "P4: the agent is killed, the fence goes on and is recorded as done" {
    life_start
    sim_hold stop 101
    fence_begin one 101 -o off -n vm101
    sim_held 101
    kill -KILL "$(agent_of one)"
    fence_end one
    is "$status" 137
    guest_alive 101
    await 30 operation_says "nobody waits any more"
    sim_release 101
    await 30 operation_ended
    is "$(operation outcome)" done
    guest_dead 101
}

@test "P4: no late stop for a guest that was started after the request: abandoned" {
    life_start
    sim_ctl fault reply-lost-before call=stop guest=101
    fence_begin one 101 -o off -n vm101
    await 30 stop_was_asked
    kill -KILL "$(agent_of one)"
    fence_end one
    await 30 operation_says "nobody waits any more"
    # somebody else fences it and starts it again, and the broker does not see it off meanwhile
    sim_ctl fault reply-lost-before call=status guest=101
    sim_ctl kill 101
    sim_ctl wait 101 stopped
    sim_ctl start 101
    sim_ctl wait 101 running
    life=$(guest_life 101)
    sim_ctl clear
    await 60 operation_ended
    is "$(operation outcome)" abandoned
    guest_alive 101
    is "$(guest_life 101)" "$life"
}

# ---- P5 ----

@test "P5: kill -9 in the middle: history shows interrupted, the waiting client repeats its request and gets the answer" {
    keeper_start
    sim_hold stop 101
    fence_begin one 101 -o off -n vm101
    sim_held 101
    kept_kill KILL
    await 30 operations_are 101 2
    sim_release 101
    fence_end one
    succeeded
    guest_dead 101
    is "$(operations 101 | wc -l)" 2
    is "$(operations 101 | tail -n 1 | json outcome)" interrupted
    is "$(operations 101 | head -n 1 | json outcome)" done
    is "$(operations 101 | head -n 1 | json request_ids)" "$(operations 101 | tail -n 1 | json request_ids)"
    keeper_stop
}

@test "P5: what was proven before a kill -9 is answered from history, and not done again" {
    keeper_start
    is "$(ask POST /v1/guests/vm101/off -H 'Request-Id: 0123456789abcdef0123456789abcdef' -o /dev/null -w '%{http_code}')" 200
    guest_dead 101
    kept_kill KILL
    await 30 kept_ended
    sim_ctl start 101
    sim_ctl wait 101 running
    guest_alive 101
    is "$(ask POST /v1/guests/vm101/off -H 'Request-Id: 0123456789abcdef0123456789abcdef' -o /dev/null -w '%{http_code}')" 200
    guest_alive 101
    is "$(sent stop 101)" 1
    keeper_stop
}

@test "P5: kill -9 during a reboot's power-on: said as interrupted, and the repeated request has the guest started" {
    keeper_start
    sim_ctl fault http call=start guest=101 status=503 "reason=not now"
    is "$(ask POST /v1/guests/vm101/reboot -H 'Request-Id: abcdef0123456789abcdef0123456789' -o /dev/null -w '%{http_code}')" 200
    guest_dead 101
    kept_kill KILL
    await 30 kept_ended
    await 30 operation_is outcome interrupted
    sim_ctl clear
    is "$(ask POST /v1/guests/vm101/reboot -H 'Request-Id: abcdef0123456789abcdef0123456789' -o /dev/null -w '%{http_code}')" 200
    sim_ctl wait 101 running
    guest_alive 101
    is "$(sent stop 101)" 1
    keeper_stop
}

@test "SIGTERM: a fence that ends within 5 s is finished and answered" {
    life_start
    sim_hold stop 101
    fence_begin one 101 -o off -n vm101
    sim_held 101
    kill -s TERM "$BROKER_PID"
    await 30 broker_said FENCE_EVENT=ending
    sim_release 101
    broker_stop
    fence_end one
    succeeded
    guest_dead 101
    grep -q '"outcome":"done"' "$STATE/history.jsonl"
}

@test "SIGTERM: a fence that takes longer is recorded as interrupted, and its client served by the next daemon" {
    keeper_start
    sim_hold stop 101
    fence_begin one 101 -o off -n vm101
    sim_held 101
    stopwatch_start
    kept_kill TERM
    await 30 kept_ended
    stopwatch_read
    at_least "$took" 4500
    within 7500
    sim_release 101
    like "$(head -n 1 "$T/keeper")" "ended * 0"
    fence_end one
    succeeded
    guest_dead 101
    is "$(operations 101 | tail -n 1 | json outcome)" interrupted
    is "$(operations 101 | head -n 1 | json outcome)" done
    keeper_stop
}

@test "a daemon that is gone for good: the waiting client fails with words" {
    life_start
    sim_hold stop 101
    fence_begin one 101 -o off -n vm101
    sim_held 101
    broker_kill
    fence_end one
    [[ $status == 1 ]]
    is "$(wc -l <<<"$err")" 1
    like "$err" "fence_broker: off vm101: *broker*"
}

@test "a second daemon does not take the first one's socket" {
    life_start
    run "$BUILD/fence_brokerd" -c "$CONFIG"
    is "$status" 1
    like "$output" "*something already listens on $SOCKET*"
    next_fence_works
}

# ---- SIGHUP ----

@test "SIGHUP with a good file: in force for the next operation, and no running one is disturbed" {
    life_start
    sim_hold stop 101
    fence_begin one 101 -o off -n vm101
    sim_held 101
    sim_ctl stats reset
    broker_configure fence.deadline=5s nodes.other=103
    kill -HUP "$BROKER_PID"
    await 30 broker_said "notice reloaded"
    sim_release 101
    fence_end one
    succeeded
    guest_dead 101
    fence 103 -o off -n other
    succeeded
    guest_dead 103
    sim_ctl fault reply-lost-before call=stop
    fence 102 -o off -n vm102
    [[ $status == 1 ]]
    within 7000       # the new deadline's 5 s, not 60
    broker_ends_clean
}

# bad_reload LINE TEXT: with "deadline" replaced by LINE the file is refused with TEXT behind its name
bad_reload() {
    sed "s/^deadline = .*/$1/" "$T/good" >"$CONFIG"
    kill -HUP "$BROKER_PID"
    await 30 broker_said "not reloaded, the old configuration stays in force: $CONFIG$2"
}

@test "SIGHUP with a bad file: it changes nothing, says line and word, and the next fence works" {
    life_start
    cp "$CONFIG" "$T/good"
    bad_reload 'deadlin = 5s' ':2: unknown key "deadlin" in [fence]; allowed: deadline'
    bad_reload 'deadline = soon' ':2: '
    bad_reload 'deadline = 5s\nrubbish' ':3: '
    bad_reload 'deadline = 5s\n[nonsense]\nx = 1' ':3: '
    cp "$T/good" "$CONFIG"
    rm "$T/secret"
    kill -HUP "$BROKER_PID"
    await 30 broker_said "$T/secret"
    next_fence_works
    broker_ends_clean
}

# ---- a history that cannot be written never stands in the way ----

history_not_written() { client status | grep -q history-not-written; }

unwritable_history() {
    sim_start
    broker_start fence.deadline=10s "$@"
    fence 101 -o off -n vm101
    succeeded
    within 2500
    guest_dead 101
    await 30 history_not_written
    client history | grep -q vm101     # in memory it is there
    client history -n 1 --since 1h | grep -q vm101
    refute grep -q vm101 <(client history --since 2999-01-01)
    run client history --since yesterday
    is "$status" 1
    like "$output" "*since=yesterday is not a time; write an age*"
    run client history -n none
    like "$output" "*limit=none is not a number*"
    broker_ends_clean
}

@test "the history's directory is missing: the fence works, and status says so" {
    unwritable_history "state.directory=$T/nowhere/state"
}

@test "the history's disk is full: the fence works, and status says so" {
    ln -s /dev/full "$STATE/history.jsonl"
    unwritable_history
}

@test "the history's disk hangs: the fence waits 250 ms at most, and status says so" {
    sim_start
    broker_start fence.deadline=10s
    # the recorder, a child of the daemon, stops writing as if its disk were frozen
    local child
    for child in $(pgrep -P "$BROKER_PID"); do kill -STOP "$child"; done
    fence 101 -o off -n vm101
    succeeded
    within 1500
    guest_dead 101
    fence 102 -o off -n vm102
    succeeded
    await 30 history_not_written
    for child in $(pgrep -P "$BROKER_PID"); do kill -CONT "$child"; done
    broker_ends_clean
}

# A file system of the state directory's own, to be frozen. Where none can be mounted, the recorders are stopped instead, which is what a
# frozen file system does to them; then it says so.
freezable() {
    FROZEN=''
    truncate -s 16M "$T/disk"
    if mkfs.ext4 -q "$T/disk" && mount -o loop "$T/disk" "$STATE" 2>"$T/mount.err"; then
        FROZEN=$STATE
    else
        printf '# no file system to freeze here (%s): the recorders are stopped instead\n' "$(<"$T/mount.err")" >&3
    fi
    THAW=()
}
freeze() {
    if [[ -n $FROZEN ]]; then
        fsfreeze -f "$FROZEN"
        THAW=(fsfreeze -u "$FROZEN")
    else
        # shellcheck disable=SC2046
        kill -STOP $(pgrep -P "$BROKER_PID")
        # shellcheck disable=SC2207
        THAW=(kill -CONT $(pgrep -P "$BROKER_PID"))
    fi
}
thaw() {
    [[ -z ${THAW:-} ]] || "${THAW[@]}" 2>/dev/null || true
    THAW=()
}

@test "a frozen state directory: fences, the daemon's end and its next start go on, and status says so" {
    freezable
    sim_start
    broker_start fence.deadline=10s
    freeze
    fence 101 -o off -n vm101
    succeeded
    guest_dead 101
    await 30 history_not_written
    broker_stop                        # the writer cannot be killed; the daemon ends all the same
    broker_spawn
    await 30 client -o monitor -q
    fence 102 -o off -n vm102
    succeeded
    guest_dead 102
    thaw
    await 30 written_again
    broker_ends_clean
}
written_again() { ! grep -q history-not-written <(client status) && grep -q '"vm102"' "$STATE/history.jsonl"; }
