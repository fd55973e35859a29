#!/usr/bin/env bats
# P9: no secret leaves. Every secret of a broker that has gone through all kinds of logins and refusals is looked for everywhere.
# shellcheck disable=SC2034,SC2154

TOTP_SECRET=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP
WRONG_SECRET=wrong-but-a-secret-all-the-same

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
    SIM_ARGUMENTS=(--scale 0.1)
    mkdir "$T/cores" "$T/look"
    # a core is wanted, if one can be had; and a clock that can be set, so that no code is waited for
    printf '%-20s' 0 >"$T/shift"
    export SHIFTED_CLOCK=$T/shift
    BROKER_COMMAND=(bash -c 'cd "$1" && ulimit -S -c "$(ulimit -H -c)"; shift; exec "$@"' - "$T/cores" "$BUILD/shifted/fence_brokerd" -v)
}
teardown() { fence_teardown; }

secret_file() { (umask 077; printf '%s\n' "$2" >"$T/$1"); }

# The configured secrets, and what is made of them: codes, tickets (also URL-encoded), challenges, CSRF tokens, headers.
no_secret_in() {
    refute grep -raE -e "$TOKEN_SECRET|$OPERATOR_PASSWORD|$TOTP_SECRET|$WRONG_SECRET|totp(:|%3A)[0-9]{6}" \
        -e 'PVE(:|%3A)(operator|fence|!tfa)|PVEAPIToken=|PVEAuthCookie=|CSRFPreventionToken' -e '[0-9A-F]{8}:[A-Za-z0-9+/]{43}' "$@"
}

# everything the kernel shows of a process to others, but its memory
look_at_process() {
    local file
    for file in "/proc/$1"/{cmdline,environ,comm,status,stat,maps,smaps,limits,io,mountinfo} "/proc/$1"/task/*/{comm,cmdline,environ,status}; do
        cat "$file" 2>/dev/null || true
    done
    readlink "/proc/$1"/fd/* "/proc/$1"/{cwd,exe} || true
}

look_everywhere() {
    local pid view
    for view in status targets history metrics; do
        client $view >"$T/look/$view" 2>&1 || true
        client $view --json >"$T/look/$view.json" 2>&1 || true
    done
    client -o monitor >"$T/look/monitor" 2>&1 || true
    for view in guests guests/vm101 operations status; do
        ask GET "/v1/$view" >"$T/look/v1-${view//\//-}" || true
    done
    for view in $(client history --json | grep -oE '"id": ?"[a-z0-9]+"' | cut -d'"' -f4 | head -n 20); do
        client explain "$view" >>"$T/look/explain" 2>&1 || true
    done
    for pid in "$BROKER_PID" $(pgrep -P "$BROKER_PID"); do
        look_at_process "$pid" >>"$T/look/proc"
    done
    grep -q "$BROKER_PID" "$T/look/proc"
    no_secret_in "$T/look" "$T/run" "$STATE" "$T/broker.log" "$T/broker.log.err" "$CONFIG"
}

@test "the search finds what it looks for" {
    local leak
    for leak in "$TOKEN_SECRET" "x$OPERATOR_PASSWORD" "$TOTP_SECRET" totp%3A123456 PVE%3Aoperator "PVE:!tfa!{" \
        "6B02D821:0123456789012345678901234567890123456789012"; do
        echo "a word and $leak" >"$T/look/leak"
        refute no_secret_in "$T/look" 2>/dev/null
    done
}

@test "P9: password, TOTP secret, codes, tickets: in no log, history, view, metric, argument, environment, /proc or core" {
    sim_users
    echo "totp operator@pve $TOTP_SECRET" >>"$SIM/secrets"
    secret_file secret "$OPERATOR_PASSWORD"
    secret_file totp "$TOTP_SECRET"
    sim_start
    sim_ctl 401-delay 20
    broker_start fence.deadline=5s proxmox.poll-interval=1s proxmox.token-id= proxmox.user=operator@pve proxmox.totp-file="$T/totp"
    fence 101 -o off -n vm101
    succeeded
    # the ticket dies, and the next code is refused
    printf '%-20s' 30 | dd of="$T/shift" conv=notrunc status=none
    sed -i 's/^totp operator@pve .*/totp operator@pve KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU/' "$SIM/secrets"
    sim_ctl reload
    sim_ctl fault garbage call=ticket count=1
    sim_ctl fault tickets-expire
    fence 102 -o off -n vm102
    await 30 broker_said "refused the TOTP code"
    look_everywhere
    # a wrong password, a broken TOTP secret, a file that others may read
    secret_file secret "$WRONG_SECRET"
    broker_reload
    await 30 broker_said "authentication failure"
    fence 103 -o off -n vm103
    [[ $status == 1 ]]
    secret_file totp "$WRONG_SECRET"
    kill -s HUP "$BROKER_PID"
    await 30 broker_said "is not a secret in base32"
    chmod 644 "$T/secret"
    kill -s HUP "$BROKER_PID"
    await 30 broker_said "is world-readable"
    look_everywhere
    dies_without_a_core
}

@test "P9: a token's secret, accepted and refused: in none of them" {
    sim_start
    sim_ctl 401-delay 20
    broker_start fence.deadline=5s proxmox.poll-interval=1s
    fence 101 -o off -n vm101
    succeeded
    sim_ctl fault garbage call=status count=2
    sim_ctl fault http call=stop status=401 count=4 "reason=no ticket"
    fence 102 -o off -n vm102
    # a secret in the wrong place is not repeated
    sed -i "s/^token-id = .*/token-id = fence@pve!broker=$TOKEN_SECRET/" "$CONFIG"
    kill -s HUP "$BROKER_PID"
    await 30 broker_said "the token's secret does not belong here"
    sed -i "s/^token-id = .*/token-id = fence@pve!broker/" "$CONFIG"
    sed -i 's/^fence@pve!broker .*/fence@pve!broker another/' "$SIM/secrets"
    sim_ctl reload
    await 30 broker_said "does not accept the token"
    look_everywhere
    dies_without_a_core
}

# memory_has PID TEXT: somewhere in what the process may write
memory_has() {
    perl -e '
        my ($pid, $text) = @ARGV;
        open my $maps, "<", "/proc/$pid/maps" or exit 2;
        open my $mem, "<:raw", "/proc/$pid/mem" or exit 2;
        while (<$maps>) {
            my ($from, $to) = /^([0-9a-f]+)-([0-9a-f]+) rw/ or next;
            seek $mem, hex $from, 0 or next;
            read $mem, my $bytes, hex($to) - hex $from or next;
            exit 0 if index($bytes, $text) >= 0;
        }
        exit 1' "$@"
}
recorders() { pgrep -P "$BROKER_PID" | sort; }

@test "P9: a recorder that is started anew in a session has nothing of the token" {
    local pid
    sim_start
    broker_start fence.deadline=5s proxmox.poll-interval=1s
    fence 101 -o reboot -n vm101
    succeeded
    memory_has "$BROKER_PID" "$TOKEN_SECRET" # the search finds it where it is
    recorders >"$T/before"
    # shellcheck disable=SC2046
    kill -KILL $(recorders)
    # what is recorded from now on starts them anew, at most once a second
    await 30 are_back
    for pid in $(recorders | comm -13 "$T/before" -); do
        await 30 is_the_program_anew "$pid"
        is "$(readlink "/proc/$pid/exe")" "$(readlink "/proc/$BROKER_PID/exe")"
        refute memory_has "$pid" "$TOKEN_SECRET"
        refute grep -qF "$TOKEN_SECRET" "/proc/$pid/environ" "/proc/$pid/cmdline"
    done
    # and they record
    fence 103 -o off -n vm103
    succeeded
    await 30 grep -q '"vm103"' "$STATE/history.jsonl"
    await 30 broker_said "off of vm103"
    dies_without_a_core
}
# until then it is a copy of the daemon that is about to execute it
is_the_program_anew() { tr '\0' ' ' <"/proc/$1/cmdline" | grep -q '^fence_brokerd recorder '; }
# of the log and of the history, which have something to record with each fence
are_back() {
    client -o on -n vm102 >/dev/null 2>&1 || true
    (($(recorders | comm -13 "$T/before" - | wc -l) >= 2))
}

# dies_without_a_core: SIGSEGV, where a process that does not forbid it leaves a core in its directory
dies_without_a_core() {
    local pid=$BROKER_PID code=0
    BROKER_PID=''
    end_process "$pid" SEGV || code=$?
    refute [ "$code" = 0 ]
    is "$(ls -A "$T/cores")" ""
    (cd "$T/cores" && ulimit -S -c "$(ulimit -H -c)" && exec setpriv --pdeathsig KILL -- bash -c 'kill -SEGV $$') || true
    [[ -n $(ls -A "$T/cores") ]] || echo "# no process leaves a core here" >&3
}
