#!/usr/bin/env bats
# Access rules on a running daemon, with users of the test's own: the tables of verdicts, what one may see, who one is, and what a change of
# users or rules does. The rules themselves are tested by the thousand in tests/unit/test_access_rules.c.
# shellcheck disable=SC2034,SC2154

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    source "$BATS_TEST_DIRNAME/users.bash"
    e2e_setup
    users_setup
    SIM_ARGUMENTS=(--scale 0.1)
}
teardown() { fence_teardown; }

RULES_BOB='[access]
enable-acl = yes
[user bob]
rule = write guest:vm101 action:reboot,on
rule = read guest:10[12]
rule = read what:operations guest:vm101
rule = read what:status
[group dbas]
rule = read what:privileges
rule = write guest:vm102'

bob_start() {
    group dbas 2001
    user bob 1001 1001 haclient
    user dora 1002 990 dbas
    user stranger 1003 1003
    sim_start
    rules_start "$RULES_BOB" "$@"
}

# ---- the tables ----

# table_start FILE: its configuration, users and guests
table_start() {
    local kind name a b c line vmids='' alias nodes=()
    sim_guests
    sed -i '/^guest/d' "$SIM/cluster.conf"
    while read -r kind name a b c; do
        case $kind in
            group) group "$name" "$a" ;;
            guest)
                vmids+=",$name"
                line="$a $b $c"
                [[ $line != *alias=* ]] || nodes+=("nodes.$(sed -E 's/.*alias=([^ ]*).*/\1/' <<<"$line")=$name")
                echo "guest $name qemu pve1 $a running=1 $(grep -oE 'tags=[^ ]*' <<<"$line" || true)" >>"$SIM/cluster.conf"
                ;;
        esac
    done < <(sed '1,/^---$/d' "$1" | sort -k1,1 -s)
    while read -r kind name a b c; do
        [[ $kind == user && $name != root && $name != hacluster ]] || continue
        echo "$name:x:$a:$b::/:/bin/sh" >>"$T/passwd"
        for line in ${c//,/ }; do
            sed -i -E "s/^([^:]*:x:$line:)(.*)\$/\\1\\2,$name/; s/:,/:/" "$T/group"
        done
    done < <(sed '1,/^---$/d' "$1")
    sim_users
    sed -i "s/101,102,103,120/${vmids#,}/" "$SIM/user.cfg"
    sim_start
    rules_start "$(sed '/^---$/,$d' "$1")" "${nodes[@]}"
    chmod 0666 "$SOCKET" # strangers get as far as the gate
}

# table_ask NAME ASK ABOUT VERDICT WORDS
table_ask() {
    local name=$1 ask=$2 about=$3 verdict=$4 words=$5 got status readable
    case $ask in
        off | on | reboot) got=$(asked_as "$name" POST "/v1/guests/$about/$ask?dry-run=1") ;;
        read) got=$(asked_as "$name" GET "/v1/guests/$about") ;;
        list) got=$(asked_as "$name" GET "/v1/$about") ;;
        status) got=$(asked_as "$name" GET /v1/status) ;;
        metrics) got=$(asked_as "$name" GET /metrics) ;;
        oneself) got=$(asked_as "$name" GET /v1/whoami) ;;
        *) return 0 ;;
    esac
    status=$(tail -n 1 <<<"$got")
    if [[ $verdict == yes ]]; then
        [[ $status == 200 ]] || { printf '%s: expected 200, got %s\n' "$*" "$got" >&2; return 1; }
    elif [[ $status == 404 && $got == *"no guest that you may see is called $about"* ]]; then
        readable=$(asked_as "$name" GET "/v1/guests/$about" | tail -n 1)
        [[ $readable == 404 ]] || { printf '%s: not seen, and still seen: %s\n' "$*" "$got" >&2; return 1; }
        [[ $ask != read ]] || asked=1
    else
        [[ $status == 403 && $got == *"$words"* ]] || { printf '%s: expected 403, got %s\n' "$*" "$got" >&2; return 1; }
    fi
    questions=$((questions + 1))
}

run_table() {
    local file=$BATS_TEST_DIRNAME/../data/access/$1 line name ask about words questions=0 asked
    table_start "$file"
    while IFS= read -r line; do
        [[ $line == *' = '* && $line != '#'* ]] || continue
        read -r name ask about <<<"${line%% = *}"
        words=${line#* = }
        table_ask "$name" "$ask" "$about" "${words%% *}" "${words#* }"
    done < <(sed '1,/^---$/d' "$file")
    at_least "$questions" "$2"
}

@test "the table first-match holds on a running daemon" { run_table first-match.eval 45; }
@test "the table of the delivered roles holds on a running daemon" { run_table canned-roles.eval 35; }
@test "the table of denied actions holds on a running daemon" { run_table denied-actions.eval 18; }

@test "the roles that the annotated configuration delivers are those of the table" {
    local role
    for role in monitor operator administrator; do
        is "$(sed -n "/^#\\[role $role\\]/,/^#\$/s/^#//p" "$BATS_TEST_DIRNAME/../../conf/fence-broker.conf" | sed '/^$/d')" \
            "$(sed -n "/^\\[role $role\\]/,/^\\[/p" "$BATS_TEST_DIRNAME/../data/access/canned-roles.eval" | sed "1!{/^\\[/d}")"
    done
}

# ---- what one may see ----

@test "a guest that one may not see is like one that is not there, word for word" {
    bob_start
    local what path
    client_as bob targets | grep -q vm102
    refute grep -qE 'vm103|ct120' <(client_as bob targets)
    is "$(client_as bob -o list)" $'101,vm101\n102,vm102'
    refute grep -q vm103 <(client_as bob targets --json)
    for path in 'GET /v1/guests/%s' 'GET /v1/guests/%s?view=power' 'POST /v1/guests/%s/off' 'POST /v1/guests/%s/on?dry-run=1' 'GET /v1/can/off/%s'; do
        # shellcheck disable=SC2059
        printf -v what "${path#* }" vm103
        is "$(asked_as bob "${path%% *}" "$what" | sed 's/vm103/X/g')" "$(asked_as bob "${path%% *}" "${what/vm103/nosuch}" | sed 's/nosuch/X/g')"
    done
    is "$(asked_as bob GET /v1/guests/103 | sed 's/103/X/g')" "$(asked_as bob GET /v1/guests/999 | sed 's/999/X/g')"
    is "$(asked_as bob GET /v1/guests/vm103 | tail -n 1)" 404
    guest_alive 103
    broker_said "denied: uid 1001 (bob), gid 1001"
    broker_said "off vm103: no rule matches"
}

strict_names() { asked_as "$1" GET "/v1/status?view=monitor&strict=1$3" | grep -q "$2"; }

@test "no answer names a guest that its asker may not read, whatever it is about" {
    local target form id hidden='vm10[23]|ct120|/vms/10[23]|target="(10[23]|120)"|(guests? |\(|"vmid":)(10[23]|120)([^0-9]|$)'
    user mon 1005 990
    sim_users
    echo 'acl:1:/vms/103:fence@pve,fence@pve!broker:NoAccess:' >>"$SIM/user.cfg"
    sim_start
    rules_start '[access]
enable-acl = yes
[user mon]
rule = read what:status,doctor,privileges,metrics
rule = read what:operations guest:vm101
rule = read guest:vm101'
    fence 102 -o off -n vm102
    fence 101 -o reboot -n vm101
    sim_ctl set 102 lock=backup
    sim_ctl set 103 lock=backup
    await 30 strict_names root vm102 '&nodes=vm102'
    id=$(client history --json | perl -0ne 'print $1 if /"id":"(\w+)"[^{}]*"plug":"vm102"/')
    for form in text/plain application/json; do
        for target in status doctor permissions operations guests 'guests?view=list-status' 'guests?view=rehearse' metrics \
            'status?view=monitor&strict=1' 'status?view=monitor&strict=1&nodes=vm102' 'doctor?view=plugs&plugs=vm101,nosuch' "operations/$id"; do
            [[ $target == metrics ]] || target=v1/$target
            # it is something that is hidden: whoever may see all reads it there
            curl -sS --unix-socket "$SOCKET" -H "Accept: $form" "http://localhost/$target" >"$T/shown.all"
            as mon curl -sS --max-time 30 --unix-socket "$SOCKET" -H "Accept: $form" "http://localhost/$target" >"$T/shown"
            [[ $target == *plugs* || $target == *rehearse ]] || grep -qE "$hidden" "$T/shown.all" || { echo "# nothing to hide in $target, $form"; cat "$T/shown.all"; false; }
            [[ -s $T/seen ]]
            if grep -E "$hidden" "$T/shown"; then
                echo "# $target, $form" >&2
                false
            fi
        done
    done
    # it is told that there is something, and as little of names that are hidden as of names that are not there
    strict_names mon 'a guest that you may not see' ''
    is "$(asked_as mon GET '/v1/status?view=monitor&strict=1&nodes=vm102')" "$(asked_as mon GET '/v1/status?view=monitor&strict=1&nodes=nosuch')"
    asked_as mon GET '/v1/permissions' | grep -q 'some of which you may not see'
    asked_as mon GET '/v1/doctor' | grep -q 'missing: on guests, some of which you may not see'
    asked_as mon GET /metrics | grep -q 'target="101"'
}

@test "what one may do is done, what not is denied with the rule that says so" {
    bob_start
    run client_as bob off vm101
    is "$status" 1
    like "$output" '*denied*uid 1001 (bob)*off vm101: rule = read guest:10?12? (?user bob?, line 5)*'
    guest_alive 101
    fence 101 -o off -n vm101
    client_as bob on vm101
    guest_alive 101
    run client_as bob reboot vm102
    is "$status" 1
    client_as dora off vm102
    guest_dead 102
    run client_as bob metrics
    is "$status" 1
}

@test "the history shows one's guests only, and who asked by which rule" {
    bob_start
    client_as bob reboot vm101 >/dev/null
    client_as dora off vm102 >/dev/null
    client_as bob history | grep -q vm101
    refute grep -q vm102 <(client_as bob history --json)
    is "$(operation asked_by.user 101)" bob
    like "$(operation asked_by.rule 102)" 'rule = write guest:vm102*line 10)'
    local id
    id=$(client history --json | perl -0ne 'print $1 if /"id":"(\w+)"[^{}]*"plug":"vm102"/')
    is "$(asked_as bob GET "/v1/operations/$id" | tail -n 1)" 404
    is "$(asked_as bob GET "/v1/operations/$id?view=evidence" | tail -n 1)" 404
    is "$(asked_as bob POST /v1/guests/vm101/fenced | tail -n 1)" 403
    run client_as dora history
    is "$status" 1
    refute grep -q vm102 <(client_as bob status)
    grep -q 'off of vm102 asked by uid 1002 (dora).*allowed: rule = write guest:vm102' "$T/broker.log.err"
    grep -q 'off of vm102, asked by uid 1002 (dora).*answered: done' "$T/broker.log.err"
}

# ---- who one is ----

@test "whoami says what the daemon sees, and can says what decides, also without a daemon" {
    bob_start
    client_as bob whoami >"$T/who"
    grep -q '^uid *1001 (bob)' "$T/who"
    grep -q '990 (haclient)' "$T/who"
    grep -q 'from *\[user bob\], line 3' "$T/who"
    is "$(client_as dora whoami --json | perl -ne 'print "$1 " while /"name":"(\w+)"/g')" "dbas dbas dbas dbas "
    client whoami | grep -q 'uid 0 may do all'
    local case who ask plug expected words offline
    while IFS='|' read -r who ask plug expected words; do
        run in_users "$BUILD/fence_broker" can "$who" "$ask" "$plug" --socket "$SOCKET"
        is "$status $output" "$expected $words"
        run in_users "$BUILD/fence-broker-admin" check -c "$CONFIG" --can "$who" "$ask" "${plug#vm}" "name=$plug"
        is "$status" "$expected"
        [[ $output == *": ${words##*: }" ]] || { printf 'offline: %s\n' "$output" >&2; return 1; }
    done <<'END'
bob|off|vm101|2|no: uid 1001 (bob) may not off vm101 (101): rule = read guest:10[12] ([user bob], line 5)
bob|reboot|vm101|0|yes: uid 1001 (bob) may reboot vm101 (101): rule = write guest:vm101 action:reboot,on ([user bob], line 4)
bob|read|vm103|2|no: uid 1001 (bob) may not read vm103 (103): no rule matches
dora|off|vm102|0|yes: uid 1002 (dora) may off vm102 (102): rule = write guest:vm102 ([group dbas], line 10)
stranger|off|vm101|2|no: uid 1003 may not off vm101 (101): not a member of the socket's group
root|off|vm101|0|yes: uid 0 (root) may off vm101 (101): uid 0 may do all
END
    run in_users "$BUILD/fence_broker" can bob status --socket "$SOCKET"
    is "$status" 0
    run in_users "$BUILD/fence_broker" can nosuch off vm101 --socket "$SOCKET"
    is "$status" 1
    like "$output" "*user nosuch does not exist on this machine*"
    # about others only with the right to
    run client_as bob can root off vm101
    is "$status" 1
    like "$output" "*about yourself only*"
    run client_as dora can root off vm102
    is "$status" 0
}

@test "offline, what the file does not know is not guessed" {
    bob_start
    run in_users "$BUILD/fence-broker-admin" check -c "$CONFIG" --can bob reboot 101
    is "$status" 1
    like "$output" "open: *depends on what the file does not say*line 4*line 5*"
    run in_users "$BUILD/fence-broker-admin" check -c "$CONFIG" --can bob reboot 101 name=vm101
    is "$status" 0
    run in_users "$BUILD/fence-broker-admin" check -c "$CONFIG" --can bob explode 101
    is "$status" 1
    run in_users "$BUILD/fence-broker-admin" check --cann bob off 101
    is "$status" 2
    like "$output" "*usage: fence-broker-admin check *"
}

# book_says: each screen of the chapter with a command of the client: "bob$ …" is run as bob, "$ …" as root; pids are others each time
book_says() {
    local line asker='' arguments shown=0
    : >"$T/shown" >"$T/said"
    while IFS= read -r line; do
        if [[ $line =~ ^([a-z]*)\$\ fence_broker\ (.*) ]]; then
            asker=${BASH_REMATCH[1]:-root} shown=$((shown + 1))
            read -ra arguments <<<"${BASH_REMATCH[2]}"
            in_users setpriv $([[ $asker == root ]] || echo --reuid=1001 --regid=1001 --groups=990) -- \
                "$T/bin/fence_broker" "${arguments[@]}" --socket "$SOCKET" >>"$T/said" 2>&1 </dev/null || true
        elif [[ $line == '```'* || $line == '$ '* ]]; then
            asker=''
        elif [[ -n $asker ]]; then
            echo "$line" >>"$T/shown"
        fi
    done <"$BATS_TEST_DIRNAME/../../doc/book/60-access-rules.md"
    at_least "$shown" 6
    diff <(sed 's/pid [0-9]*/pid/' "$T/shown") <(sed 's/pid [0-9]*/pid/' "$T/said")
}

@test "the rules of the book do what it shows" {
    group dbas 2001
    group watchers 2002
    user bob 1001 1001 haclient
    user carol 1002 1002 haclient,dbas
    user dave 1003 1003 haclient,watchers
    sim_start
    rules_start "$(sed -n '/^```ini/,/^```$/{/^```/!p}' "$BATS_TEST_DIRNAME/../../doc/book/60-access-rules.md")" nodes.node1=101 nodes.node2=102 nodes.node3=103
    book_says
    guest_alive 101
}

@test "members of very many groups are members, and whoami shows all of them" {
    local n many
    many=$(seq -s, 5000 5999)
    user many 1010 1010
    sim_start
    rules_start $'[access]\nenable-acl = yes\n[group last]\nrule = read what:*' 2>/dev/null || true
    is "$(setpriv --reuid 1010 --regid 1010 --groups "$many,990" -- "$T/bin/fence_broker" whoami --json --socket "$SOCKET" | grep -o '"gid"' | wc -l)" 1002
    group last 5999
    rules_change "$RULES"
    setpriv --reuid 1010 --regid 1010 --groups "$many,990" -- "$T/bin/fence_broker" status --socket "$SOCKET" >/dev/null
    run setpriv --reuid 1010 --regid 1010 --groups "${many%,*},990" -- "$T/bin/fence_broker" status --socket "$SOCKET"
    is "$status" 1
    run setpriv --reuid 1010 --regid 1010 --groups "$many" -- "$T/bin/fence_broker" status --socket "$SOCKET"
    is "$status" 1
}

@test "identity is what it was at connect time: a descriptor passed on, a uid that was changed, another user namespace" {
    bob_start
    # whoever got root's connection asks as root; whoever gave up root's rights, too
    "$T/bin/socket-identity" "$SOCKET" /v1/whoami uid 1003 1003 | grep -q '^uid *0 (root)'
    "$T/bin/socket-identity" "$SOCKET" - pass setpriv --reuid 1003 --regid 1003 --clear-groups -- \
        bash -c 'printf "GET /v1/whoami HTTP/1.1\r\nHost: l\r\nAccept: text/plain\r\n\r\n" >&3; cat' | grep -q '^uid *0 (root)'
    # and root with bob's connection is bob
    as bob "$T/bin/socket-identity" "$SOCKET" - pass bash -c 'printf "GET /v1/whoami HTTP/1.1\r\nHost: l\r\nAccept: text/plain\r\n\r\n" >&3; cat' |
        grep -q '^uid *1001 (bob)'
    # root of a namespace of his own is who he is outside
    as bob unshare --user true 2>/dev/null || missing "user namespaces of users"
    as bob unshare --user --map-root-user curl -sS --unix-socket "$SOCKET" -H Accept:text/plain http://localhost/v1/whoami | grep -q '^uid *1001 (bob)'
    is "$(as bob unshare --user --map-root-user curl -sS --unix-socket "$SOCKET" -o "/dev/null" -w '%{http_code}' -X POST http://localhost/v1/guests/vm101/off)" 403
    guest_alive 101
}

@test "a user that is renamed or removed keeps its rules by its uid until the reload, which tells" {
    bob_start
    client_as bob status >/dev/null
    sed 's/^bob:/robert:/' "$T/passwd" >"$T/passwd.new"
    cat "$T/passwd.new" >"$T/passwd"
    robert() { setpriv --reuid 1001 --regid 1001 --groups 990 -- "$T/bin/fence_broker" "$@" --socket "$SOCKET"; }
    robert whoami | grep -q '^uid *1001 (bob)'
    robert status >/dev/null
    rules_change "$RULES"
    broker_said "there is no user bob on this machine"
    run robert status
    is "$status" 1
    robert whoami | grep -q '^uid *1001,'
    rules_change "${RULES/user bob/user robert}"
    robert status >/dev/null
    sed -i.old '/^robert/d' "$T/passwd" && cat "$T/passwd" >"$T/passwd.new" && robert status >/dev/null
}

# ---- reload ----

@test "a reload changes what may be asked; a bad file changes nothing and is told with its line" {
    bob_start
    run client_as bob metrics
    is "$status" 1
    rules_change "$RULES_BOB"$'\n[user stranger]\nrule = read what:metrics'
    rules_change "${RULES_BOB/what:status/what:status,metrics}"
    client_as bob metrics >/dev/null
    { echo "${RULES_BOB/read what:status/red what:status}"; cat "$T/conf.rest"; } >"$CONFIG"
    kill -HUP "$BROKER_PID"
    await 30 grep -q 'not reloaded, the old configuration stays in force: .*:7: rule: begins with "red"' "$T/broker.log.err"
    client_as bob metrics >/dev/null
    rules_change $'[access]\nenable-acl = no'
    client_as bob off vm103
    guest_dead 103
}

@test "a name service that hangs holds neither requests nor fences, and the old rules stay until it answers" {
    bob_start
    mkfifo "$T/hangs"
    in_users mount --bind "$T/hangs" /etc/passwd
    { echo "${RULES_BOB/what:status/what:metrics}"; cat "$T/conf.rest"; } >"$CONFIG"
    kill -HUP "$BROKER_PID"
    takes_at_most 2000 client_as bob status
    fence 101 -o off -n vm101
    succeeded
    within 2000
    refute grep -q reloaded "$T/broker.log.err"
    takes_at_most 2000 client_as bob status
    # a second one while the first still hangs
    kill -HUP "$BROKER_PID"
    takes_at_most 2000 client_as bob status
    in_users umount --lazy /etc/passwd
    kill -HUP "$BROKER_PID"
    await 30 grep -q reloaded "$T/broker.log.err"
    client_as bob metrics >/dev/null
    run client_as bob status
    is "$status" 1
}

@test "a name service that hangs from the start leaves root's fences alone, and the others wait for it" {
    group dbas 2001
    user bob 1001 1001 haclient
    sim_start
    mkfifo "$T/hangs"
    broker_configure socket.group=haclient fence.deadline=5s
    RULES=$RULES_BOB
    rules_write
    spawn "$T/broker.log" unshare --mount bash -c \
        'mount --bind "$1/hangs" /etc/passwd && mount --bind "$1/group" /etc/group && shift && exec "$@"' - "$T" "$BUILD/fence_brokerd" -c "$CONFIG"
    BROKER_PID=$SPAWNED
    await 30 broker_listens
    await 30 client -o monitor -q
    broker_said "the name service does not answer: only root may ask"
    fence 101 -o off -n vm101
    succeeded
    chmod 0666 "$SOCKET"
    run client_as bob status
    is "$status" 1
    # it comes back
    in_users umount --lazy /etc/passwd
    in_users mount --bind "$T/passwd" /etc/passwd
    kill -HUP "$BROKER_PID"
    await 30 grep -q reloaded "$T/broker.log.err"
    is "$(stat -c %g "$SOCKET")" 990
    client_as bob status >/dev/null
}

@test "what is odd about the rules is told at load, and by --check" {
    bob_start
    rules_change $'[access]\nenable-acl = yes\n[user ghost]\nrule = read guest:*\n[user bob]\nrule = deny guest:*\nrule = write guest:101\nrule = read what:operations tag:gold\n[role idle]\nrule = read guest:*'
    broker_said "there is no user ghost on this machine"
    broker_said "nobody has the role idle"
    broker_said '"write guest:101" can never match in [user bob]: line 6'
    await 30 grep -q 'no guest of the pool has a tag gold' "$T/broker.log.err"
    in_users "$BUILD/fence-broker-admin" check -c "$CONFIG" | grep -q '^warning: line 3: there is no user ghost on this machine'
}

@test "a tag that is changed in Proxmox changes what its rule is about with the next poll" {
    group dbas 2001
    user bob 1001 1001 haclient
    sim_guests
    sed -i 's/^guest 101 .*/& tags=x;gold/' "$SIM/cluster.conf"
    sim_start
    rules_start $'[access]\nenable-acl = yes\n[user bob]\nrule = write tag:gold pool:nfs*' proxmox.poll-interval=1s
    is "$(client_as bob -o list)" 101,vm101
    client_as bob off vm101
    guest_dead 101
    run client_as bob off vm102
    is "$status" 1
}

# ---- the audit trail ----

@test "a flood of denials is a few records and a number" {
    bob_start
    local n
    for n in {1..60}; do asked_as bob GET /v1/guests/vm103 >/dev/null; done
    for n in {1..5}; do asked_as bob POST /v1/guests/vm101/off >/dev/null; done
    at_most "$(grep -c 'denied: uid 1001' "$T/broker.log.err")" 12
    is "$(curl -sS --unix-socket "$METRICS" http://localhost/metrics | awk '/^fence_broker_denied_total/ { n += $2 } END { print n }')" 65
    broker_stop
    at_least "$(grep -c '"kind":"denied".*"user":"bob"' "$STATE/history-others.jsonl")" 5
    at_most "$(grep -c '"kind":"denied"' "$STATE/history-others.jsonl")" 12
    grep -q 'a flood of requests: 5[0-9] more, the last of them of uid 1001, were not recorded one by one' "$T/broker.log.err"
    # they are there after a restart, for those who may see all
    broker_spawn
    await 30 client -o monitor -q
    client history | grep -q 'bob.*read vm103'
    refute grep -q vm103 <(client_as bob history)
}
