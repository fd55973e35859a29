#!/usr/bin/env bats
# P5, nothing is lost: kill -9 of the daemon, with or without its recorders, at random moments of fences under load. Whoever waits gets the
# answer from the next daemon, history reads and has every request that powered anything, and the next request works.
# KILLS: how many (12). SEED repeats a run.
# shellcheck disable=SC2034,SC2154

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
    SIM_ARGUMENTS=(--scale 0.1)
}
teardown() { fence_teardown; }

WAITING=(101 102 103 120)     # asked for by the client, which waits and repeats
RAW=(111 112)                 # asked for by somebody who does not repeat, with a Request-Id that we know

six_guests() {
    sim_users
    sed -i 's/101,102,103,120/101,102,103,120,111,112/' "$SIM/user.cfg"
    sim_start "guest 111 qemu pve1 vm111 running=1" "guest 112 qemu pve2 vm112 running=1"
}

request_id() { printf '%08x%08x%016x' "$1" "$2" "$seed"; }

# raw_begin VMID ROUND ACTION
raw_begin() {
    RAW_ACTION[$1]=$3
    spawn "$T/raw.$1" curl -sS --max-time 60 -o "$T/raw.$1.body" -w '%{http_code}' --unix-socket "$SOCKET" -X POST \
        -H "Request-Id: $(request_id "$1" "$2")" "http://localhost/v1/guests/$1/$3"
    RAW_PIDS+=("$SPAWNED")
}

# statuses of all guests, again and again: what a cluster's monitors do meanwhile
load_begin() {
    # shellcheck disable=SC2016
    spawn "$T/load" bash -c 'while :; do for vmid in "${@:2}"; do curl -s -o /dev/null --max-time 5 --unix-socket "$1" "http://localhost/v1/guests/$vmid"; sleep 0.05; done; done' \
        - "$SOCKET" "${WAITING[@]}" "${RAW[@]}"
    LOAD_PID=$SPAWNED
}

never() { local fd; exec {fd}<> <(:); read -r -t "$1" -u "$fd" || true; exec {fd}<&-; }

# the daemon, at once, and in every other round what writes its history, too
kill_it() {
    local victim children=()
    victim=$(<"$T/pid")
    ((RANDOM % 2)) || mapfile -t children < <(pgrep -P "$victim")
    kill -KILL "$victim" "${children[@]}"
    await 30 another_daemon "$victim"
}
another_daemon() { [[ $(<"$T/pid") != "$1" ]] && ask GET /v1/status >/dev/null; }

# all operations as "ID VMID OUTCOME STATE REQUEST-IDS", newest first; fails if the answer cannot be read
listing() {
    ask GET /v1/operations | perl -MJSON::PP -0777 -e '
        my $all = JSON::PP->new->utf8->decode(scalar <STDIN>)->{operations};
        printf "%s %s %s %s %s\n", @$_{qw(id vmid outcome state)}, join(",", @{ $_->{request_ids} }) for @$all'
}

# nothing that was there is gone, no number is given twice
history_whole() {
    listing >"$T/listing"
    is "$(cut -d' ' -f1 "$T/listing" | sort | uniq -d)" ""
    cut -d' ' -f1 "$T/listing" | sort >"$T/ids.new"
    is "$(comm -23 "$T/ids" "$T/ids.new")" ""
    mv "$T/ids.new" "$T/ids"
}
# one that is watched is answered, and gives way to the next request
all_ended() { listing >"$T/listing" && ! grep -qvE ' (ended|watching) ' "$T/listing"; }

# what of a raw request must be in the history: it, if anything was sent for it
recorded_if_sent() {
    (($(sent stop "$1") == ${SENT[$1]})) || grep -qF "$(request_id "$1" "$2")" "$T/listing" ||
        { printf 'round %d: %d was stopped, and no operation tells who asked\n' "$2" "$1" >&2; cat "$T/listing" >&2; return 1; }
}

starts() {
    [[ $(guest_life "$1") == dead ]] || return 0
    sim_ctl start "$1" >/dev/null || true
    sim_ctl wait "$1" running 500
}

one_of() { shift $((RANDOM % $#)); echo "$1"; }

one_round() {
    local round=$1 vmid ms
    declare -A SENT=() RAW_ACTION=()
    RAW_PIDS=()
    for vmid in "${WAITING[@]}" "${RAW[@]}"; do
        sim_ctl set "$vmid" start-ms=0
        sim_ctl start "$vmid" >/dev/null || true
    done
    for vmid in "${WAITING[@]}" "${RAW[@]}"; do
        await 30 starts "$vmid"
        guest_note "$vmid"
        SENT[$vmid]=$(sent stop "$vmid")
        sim_ctl set "$vmid" stop-ms="$((100 + RANDOM % 900))" start-ms="$((RANDOM % 300))"
    done
    ms=$((RANDOM % 600))
    for vmid in "${RAW[@]}"; do raw_begin "$vmid" "$round" "$(one_of off reboot)"; done
    for vmid in "${WAITING[@]}"; do fence_begin "$vmid" "$vmid" -o "$(one_of off reboot)" -n "$vmid"; done
    never "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))"
    for vmid in "${WAITING[@]}"; do ! fence_goes_on "$vmid" || cut=$((cut + 1)); done
    kill_it
    history_whole
    for vmid in "${RAW[@]}"; do recorded_if_sent "$vmid" "$round"; done
    for vmid in "${WAITING[@]}"; do
        fence_end "$vmid"
        succeeded || { printf 'round %d, killed after %d ms: %s\n' "$round" "$ms" "$vmid" >&2; cat "$T/listing" >&2; return 1; }
        within 15000
    done
    for vmid in "${RAW_PIDS[@]}"; do wait "$vmid" || true; done
    # who did not repeat does so now, and is answered; then the next request works
    for vmid in "${RAW[@]}"; do
        is "$(ask POST "/v1/guests/$vmid/${RAW_ACTION[$vmid]}" -o "$T/body" -H "Request-Id: $(request_id "$vmid" "$round")" -w '%{http_code}')" 200
        is "$(ask POST "/v1/guests/$vmid/off" -o "$T/body" -H "Request-Id: $(request_id $((vmid + 1000)) "$round")" -w '%{http_code}')" 200
        guest_dead "$vmid"
    done
    await 75 all_ended
    history_whole
    for vmid in "${RAW[@]}"; do grep -qF "$(request_id "$vmid" "$round")" "$T/listing"; done
    # abandoned: a resumed power-on for which no fence waits
    refute grep -vE ' ((done|interrupted|abandoned) ended|[a-z]* watching) ' "$T/listing"
}

@test "P5: kill -9 at random moments under load: everybody is answered, nothing is missing, the next request works" {
    local seed=${SEED:-$RANDOM$RANDOM} round cut=0
    echo "SEED=$seed"
    RANDOM=$seed
    six_guests
    keeper_start
    : >"$T/ids"
    load_begin
    for ((round = 1; round <= ${KILLS:-12}; round++)); do
        one_round "$round"      # never with an "||" behind it: bash would go on after whatever fails in it
    done
    kill "$LOAD_PID"
    echo "# SEED=$seed: ${KILLS:-12} kills, $cut fences cut by them, $(grep -c interrupted "$T/listing") of $(wc -l <"$T/listing") operations interrupted" >&3
    at_least "$cut" 1
    client history >"$T/history"
    keeper_stop
}
