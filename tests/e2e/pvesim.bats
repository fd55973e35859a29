# pvesim itself: its guests are facts of the kernel, its answers follow the real thing's rules, its faults do what they say.
bats_require_minimum_version 1.5.0

setup() {
    load lib
    e2e_setup
    SIM_ARGUMENTS=(--scale 0.1)
    ASK_AT=pve1
    AUTH="Authorization: PVEAPIToken=fence@pve!broker=$TOKEN_SECRET"
}
teardown() { e2e_teardown; }

# api METHOD PATH [curl's ARGUMENT…]: one request at the endpoint of $ASK_AT; what it answers: "STATUS BODY"
api() {
    local method=$1 path=$2
    shift 2
    curl -sS --max-time 60 --cacert "$SIM/pve-root-ca.pem" -H "$AUTH" -X "$method" -w '\n%{http_code}' "$@" \
        "https://$(sed -n "s/^$ASK_AT //p" "$SIM/endpoints")/api2/json$path" >"$T/answer" || return
    printf '%s %s\n' "$(tail -n 1 "$T/answer")" "$(sed '$d' "$T/answer")"
}
status() { api GET "/nodes/$1/$2/$3/status/current"; }
power() { api POST "/nodes/$1/$2/$3/status/$4" "${@:5}"; }

# task_end ANSWER: the exit status of the task that a power call's answer names, when it has ended
task_end() {
    [[ $1 =~ (UPID:([^:]*):[^\"]*) ]] || { printf 'no task: %s\n' "$1" >&2; return 1; }
    local upid=${BASH_REMATCH[1]} node=${BASH_REMATCH[2]}
    await 60 task_ended "$node" "$upid"
    sed -E 's/.*"exitstatus":"([^"]*)".*/\1/' "$T/answer" | head -n 1
}
task_ended() { api GET "/nodes/$1/tasks/$2/status" | grep -q '"status":"stopped"'; }

has() { [[ $1 == *"$2"* ]] || { printf 'no %s in: %s\n' "$2" "$1" >&2; return 1; }; }
has_not() { [[ $1 != *"$2"* ]] || { printf '%s in: %s\n' "$2" "$1" >&2; return 1; }; }
writes() { await 60 disk_has_grown "$1" "$(disk_size "$1")"; }

# ---- guests ----

@test "a running guest is a process tree whose first process is the one that status names" {
    sim_start
    answer=$(status pve1 qemu 101)
    has "$answer" '"status":"running"'
    has "$answer" "\"pid\":$(guest_init 101),"
    has "$answer" '"nics":{"tap101i0"'
    guest_alive 101
}

@test "a stop kills the whole tree, and nothing writes to the disk any more" {
    sim_start
    [ "$(task_end "$(power pve1 qemu 101 stop)")" = OK ]
    guest_dead 101
    answer=$(status pve1 qemu 101)
    has "$answer" '"status":"stopped"'
    has_not "$answer" nics
    has_not "$answer" '"pid"'
}

@test "a guest that dies by itself reads stopped at once" {
    sim_start
    kill -KILL "$(guest_init 101)"
    sim_ctl wait 101 stopped 60000
    has "$(status pve1 qemu 101)" '"status":"stopped"'
    guest_dead 101
}

@test "a start makes a new life, a reset keeps it and restarts what runs in it" {
    sim_start
    life=$(guest_life 101)
    payload=$(sim_ctl guests | sed -nE 's/^101 .*payload=([0-9]+).*/\1/p')
    [ "$(task_end "$(power pve1 qemu 101 reset)")" = OK ]
    await 60 has_ended "$payload"
    writes 101
    [ "$(guest_life 101)" = "$life" ]
    [ "$(task_end "$(power pve1 qemu 101 stop)")" = OK ]
    [ "$(task_end "$(power pve1 qemu 101 start)")" = OK ]
    [ "$(guest_life 101)" != "$life" ]
    guest_alive 101
}

@test "a command of one's own runs in the guest, and the guest ends with it" {
    sim_start 'guest 102000 qemu pve1 own cmd=echo "$GUEST_VMID $GUEST_NAME" >>"$GUEST_DISK"; read -r never <"$GUEST_DISK.end"'
    mkfifo "$SIM/disk/102000.end"
    sim_ctl start 102000
    await 60 grep -qx '102000 own' "$SIM/disk/102000"
    echo >"$SIM/disk/102000.end"
    sim_ctl wait 102000 stopped 60000
}

@test "guests die with pvesim, even if it is killed" {
    sim_start
    processes=$(guest_processes 101; guest_processes 120)
    [ -n "$processes" ]
    kill -KILL "$SIM_PID"
    for process in $processes; do
        await 60 has_ended "$process"
    done
}

@test "without the right to make namespaces guests are process groups, and pvesim says so" {
    chmod 777 "$SIM"
    sim_users
    sim_guests
    chmod 644 "$SIM"/*
    [ "$(id -u)" = 0 ] || missing "needs root to become somebody else"
    install -m 755 "$BUILD/pvesim" "$T/" # the checkout may lie where others cannot reach
    spawn "$T/pvesim.log" setpriv --reuid 65534 --regid 65534 --clear-groups "$T/pvesim" --dir "$SIM"
    SIM_PID=$SPAWNED
    await 60 grep -qs '^pvesim: ready' "$T/pvesim.log"
    grep -q 'process groups' "$T/pvesim.log" || missing "here everybody may make namespaces"
    guest_note 101
    guest_alive 101
    [ "$(task_end "$(power pve1 qemu 101 stop)")" = OK ]
    guest_dead 101
}

# ---- power calls ----

@test "containers: counters instead of nics, no reset, a refusal instead of a task when stopped, also from a wrong host" {
    sim_start
    answer=$(status pve2 lxc 120)
    has "$answer" '"status":"running"'
    has_not "$answer" nics
    has_not "$answer" '"netin":0,'
    has "$(power pve2 lxc 120 reset)" "501 "
    has "$(power pve1 lxc 120 stop)" '500 {"data":null,"message":"CT 120 not running\n"}'
    answer=$(power pve2 lxc 120 stop)
    has "$answer" vzstop
    [ "$(task_end "$answer")" = OK ]
    has "$(power pve2 lxc 120 stop)" 'CT 120 not running'
    guest_dead 120
    has "$(status pve2 lxc 120)" '"netin":0,'
    has "$(power pve2 lxc 120 start)" vzstart
}

@test "a lock of the configuration fails a stop at once; only a stopped guest may be stopped under it" {
    sim_start
    sim_ctl set 101 lock=migrate
    [ "$(task_end "$(power pve1 qemu 101 stop)")" = "VM is locked (migrate)" ]
    guest_alive 101
    sim_ctl kill 101
    sim_ctl wait 101 stopped
    [ "$(task_end "$(power pve1 qemu 101 stop)")" = OK ]
    [ "$(task_end "$(power pve1 qemu 101 start)")" = "VM is locked (migrate)" ]
}

@test "a foreign shutdown holds the lock until the stop gives up; our own is overruled" {
    sim_start
    sim_ctl set 101 shutdown-ms=-1
    sim_ctl shutdown 101
    answer=$(power pve1 qemu 101 stop -d overrule-shutdown=1)
    [ "$(task_end "$answer")" = "can't lock file '/var/lock/qemu-server/lock-101.conf' - got timeout" ]
    guest_alive 101
    sim_ctl set 102 shutdown-ms=-1
    power pve2 qemu 102 shutdown
    [ "$(task_end "$(power pve2 qemu 102 stop -d overrule-shutdown=1)")" = OK ]
    guest_dead 102
}

@test "a shutdown ends with its guest, whoever ends it, and gives the lock back" {
    SIM_ARGUMENTS=() # it waits 10 s for the lock
    sim_start
    sim_ctl set 101 shutdown-ms=-1
    pending=$(power pve1 qemu 101 shutdown)
    sim_ctl kill 101
    [ "$(task_end "$pending")" = OK ]
    # this one gets the lock when there is no guest left to shut down
    sim_hold stop 102
    power pve2 qemu 102 stop
    sim_held 102
    answer=$(power pve2 qemu 102 shutdown)
    sim_release 102
    [ "$(task_end "$answer")" = OK ]
    [ "$(task_end "$(power pve2 qemu 102 start)")" = OK ]
    guest_alive 102
}

@test "a start in progress reads stopped and holds the lock; a stop that waits for it kills what it started" {
    SIM_ARGUMENTS=() # it waits 10 s for the lock
    sim_start
    sim_ctl kill 101
    sim_ctl wait 101 stopped
    sim_hold start 101
    sim_ctl start 101
    sim_held 101
    has "$(status pve1 qemu 101)" '"status":"stopped"'
    answer=$(power pve1 qemu 101 stop)
    sim_release 101
    [ "$(task_end "$answer")" = OK ]
    guest_dead 101
}

@test "an HA service is stopped later, by the HA manager, and stays so; with a lock it ends in error" {
    sim_start 'guest 105 qemu pve1 havm ha=started ha-ms=1000 running=1' 'guest 106 qemu pve1 halocked ha=started ha-ms=1000 running=1 lock=backup'
    sed -i 's/101,102/101,102,105,106/' "$SIM/user.cfg"
    has "$(power pve1 qemu 105 stop -d overrule-shutdown=1)" 'Not applicable for HA resources.'
    answer=$(power pve2 qemu 105 stop)
    has "$answer" ':hastop:'
    [ "$(task_end "$answer")" = OK ]
    sim_ctl wait 105 stopped 60000
    await 60 eval 'has "$(status pve1 qemu 105)" "\"ha\":{\"managed\":1,\"state\":\"stopped\"}"'
    power pve1 qemu 106 stop
    await 60 eval 'has "$(status pve1 qemu 106)" "\"state\":\"error\""'
    guest_alive 106
}

@test "an HA service that dies is started again" {
    sim_start 'guest 105 qemu pve1 havm ha=started ha-ms=500 running=1'
    local life
    life=$(guest_life 105)
    sim_ctl kill 105
    await 60 lives_again 105 "$life"
}
# lives_again VMID LIFE: another life than that one
lives_again() { [[ $(guest_life "$1") != "$2" && $(guest_life "$1") != dead ]]; }

# ---- hosts ----

@test "a dead host answers nothing, its guests are gone, others say 595 and unknown" {
    sim_start
    sim_ctl node pve2 dead
    sim_ctl wait 102 stopped
    guest_dead 102
    answer=$(status pve2 qemu 102)
    [ "$answer" = "595 " ]
    has "$(api GET '/cluster/resources?type=node')" '{"id":"node/pve2","node":"pve2","type":"node","status":"offline"}'
    has "$(api GET '/cluster/resources?type=vm')" '"vmid":102,"node":"pve2","status":"unknown"'
    sim_ctl node pve3 hastate=maintenance
    has "$(api GET '/cluster/resources?type=node')" '"status":"online","level":"","hastate":"maintenance"'
    ASK_AT=pve2
    run -7 api GET /version
    sim_ctl node pve2 online
    has "$(api GET /version)" '200 '
}

@test "a host that is cut off goes on alone with what it knew" {
    sim_start
    sim_ctl node pve2 cut
    sim_ctl set 102 node=pve1
    has "$(status pve1 qemu 102)" '"status":"running"'
    ASK_AT=pve2
    has "$(status pve2 qemu 102)" '"status":"stopped"'
    answer=$(api GET '/cluster/resources?type=node')
    has "$answer" '"node":"pve2","type":"node","status":"online"'
    has "$answer" '"node":"pve1","type":"node","status":"offline"'
    [ "$(task_end "$(power pve2 qemu 102 start)")" = "cluster not ready - no quorum?" ]
}

@test "a host whose corosync died shows the members it had, as unknown" {
    sim_start
    sim_ctl node pve2 corosync-died
    sim_ctl set 102 node=pve1
    ASK_AT=pve2
    has "$(status pve2 qemu 102)" '"status":"stopped"'
    answer=$(api GET '/cluster/resources?type=node')
    has "$answer" '"node":"pve2","type":"node","status":"online"'
    has "$answer" '"node":"pve1","type":"node","status":"unknown"'
    ASK_AT=pve1
    has "$(api GET '/cluster/resources?type=node')" '"node":"pve2","type":"node","status":"offline"'
}

@test "a guest that moved is not found where it was" {
    sim_start
    sim_ctl set 101 node=pve3
    has "$(status pve1 qemu 101)" "500 {\"data\":null,\"message\":\"Configuration file 'nodes/pve1/qemu-server/101.conf' does not exist"
    [ "$(task_end "$(power pve1 qemu 101 stop)")" = "unable to find configuration file for VM 101 on node 'pve1'" ]
    has "$(status pve3 qemu 101)" '"status":"running"'
    guest_alive 101
}

# ---- HTTP ----

@test "errors close the connection, successes keep it, idleness ends it" {
    sim_start
    endpoint=$(sed -n 's/^pve1 //p' "$SIM/endpoints")
    sim_ctl idle-ms 20000
    ask=(curl -sS --cacert "$SIM/pve-root-ca.pem" -H "$AUTH" -w '%{num_connects}\n' -o "$T/body")
    [ "$("${ask[@]}" "https://$endpoint/api2/json/version" -o "$T/body" "https://$endpoint/api2/json/version" | xargs)" = "1 0" ]
    [ "$("${ask[@]}" "https://$endpoint/api2/json/nosuch" -o "$T/body" "https://$endpoint/api2/json/version" | xargs)" = "1 1" ]
    sim_ctl idle-ms 50
    exec {never}<> <(:)
    # a new connection has pveproxy's 5 s for its first request, however short idleness is made
    not timeout 1 openssl s_client -quiet -connect "$endpoint" -CAfile "$SIM/pve-root-ca.pem" <&"$never" 2>"$T/s_client"
    printf 'GET /api2/json/version HTTP/1.1\r\nHost: pve1\r\n%s\r\n\r\n' "$AUTH" >&"$never"
    timeout 20 openssl s_client -quiet -connect "$endpoint" -CAfile "$SIM/pve-root-ca.pem" <&"$never" >"$T/body" 2>"$T/s_client"
    has "$(<"$T/body")" '200 OK'
    exec {never}<&-
}

@test "a hundred requests are what a connection carries" {
    sim_start
    url=https://$(sed -n 's/^pve1 //p' "$SIM/endpoints")/api2/json/version
    for ((i = 0; i < 150; i++)); do printf 'url="%s"\noutput="%s"\n' "$url" "$T/body"; done >"$T/urls"
    sim_ctl idle-ms 20000
    sim_ctl stats reset
    curl -sS --cacert "$SIM/pve-root-ca.pem" -H "$AUTH" -K "$T/urls"
    [ "$(sim_stat requests)" = 150 ]
    [ "$(sim_stat connections)" = 2 ]
}

@test "heads that are too long are not answered, chunked bodies are refused" {
    sim_start
    run -52 api GET /version -H "X-Long: $(printf 'x%.0s' {1..9000})"
    run api POST /nodes/pve1/qemu/101/status/stop -H 'Transfer-Encoding: chunked' -d x=1
    has "$output" '501 '
    guest_alive 101
}

@test "a 401 comes after three seconds, unscaled" {
    SIM_ARGUMENTS=()
    sim_start
    AUTH='Authorization: PVEAPIToken=fence@pve!broker=wrong'
    before=$(now_ms)
    [ "$(api GET /version)" = "401 " ]
    [ $(($(now_ms) - before)) -ge 3000 ]
}

@test "query and body are merged, the query wins, JSON bodies count, a body that is lost leaves a stop with defaults" {
    sim_start
    has "$(power pve1 qemu 101 'stop?timeout=probe' -d timeout=3)" "type check ('integer') failed - got 'probe'"
    has "$(power pve1 qemu 101 stop -H 'Content-Type: application/json' -d '{"timeout":"x"}')" "got 'x'"
    guest_alive 101
    [ "$(task_end "$(power pve1 qemu 101 stop -H 'Content-Type: application/json' -d '{"timeout":3,"overrule-shutdown":true}')")" = OK ]
    [ "$(task_end "$(power pve2 qemu 102 stop -H 'Content-Length: 0')")" = OK ]
    guest_dead 102
}

# ---- faults ----

@test "held: a stop, start, shutdown or reset stands still before its deed until it is let go" {
    sim_start
    sim_ctl fault held guest=101
    answer=$(power pve1 qemu 101 stop)
    sim_ctl wait 101 held
    guest_alive 101
    run -1 sim_ctl wait 102 held 50
    has "$output" 'not held yet'
    sim_ctl clear held guest=102 # not this one
    run -1 sim_ctl wait 101 stopped 50
    sim_ctl clear held guest=101
    [ "$(task_end "$answer")" = OK ]
    guest_dead 101
    # one of them, each time
    sim_ctl fault held call=start guest=101 count=1
    answer=$(power pve1 qemu 101 start)
    sim_ctl wait 101 held
    guest_dead 101
    sim_ctl clear silent
    run -1 sim_ctl wait 101 running 50
    sim_ctl clear
    [ "$(task_end "$answer")" = OK ]
    payload=$(sim_ctl guests | sed -nE 's/^101 .*payload=([0-9]+).*/\1/p')
    sim_ctl fault held call=reset
    answer=$(power pve1 qemu 101 reset)
    sim_ctl wait 101 held
    not has_ended "$payload"
    sim_ctl clear held
    [ "$(task_end "$answer")" = OK ]
    has_ended "$payload"
    # a guest that dies meanwhile ends its shutdown
    sim_ctl fault held call=shutdown
    answer=$(power pve1 qemu 101 shutdown)
    sim_ctl wait 101 held
    sim_ctl kill 101
    [ "$(task_end "$answer")" = OK ]
    run -1 sim_ctl wait 101 held 50
}

@test "held: what goes to the HA manager stands still before it has it, and what the manager does by itself" {
    sim_start 'guest 105 qemu pve1 havm ha=started ha-ms=1000 running=1'
    sed -i 's/101,102/101,102,105/' "$SIM/user.cfg"
    sim_ctl fault held call=hastop
    sim_ctl fault held call=stop
    answer=$(power pve1 qemu 105 stop)
    sim_ctl wait 105 held
    has "$(status pve1 qemu 105)" '"state":"started"'
    sim_ctl clear held call=hastop
    [ "$(task_end "$answer")" = OK ]
    sim_ctl wait 105 held
    has "$(status pve1 qemu 105)" '"state":"request_stop"'
    guest_alive 105
    sim_ctl clear held
    sim_ctl wait 105 stopped
}

@test "undead: the task is OK and the status stopped, but nics stay and the guest writes on, until it dies" {
    sim_start
    sim_ctl fault undead guest=101
    [ "$(task_end "$(power pve1 qemu 101 stop)")" = OK ]
    answer=$(status pve1 qemu 101)
    has "$answer" '"status":"stopped"'
    has "$answer" '"nics":{"tap101i0"'
    has "$(api GET '/cluster/resources?type=vm')" '"vmid":101,"node":"pve1","status":"stopped"'
    guest_alive 101
    sim_ctl kill 101
    sim_ctl wait 101 stopped
    guest_dead 101
    has_not "$(status pve1 qemu 101)" nics
    # and by itself, with a time
    sim_ctl fault undead guest=102 ms=1000
    [ "$(task_end "$(power pve2 qemu 102 stop)")" = OK ]
    sim_ctl wait 102 stopped 60000
    guest_dead 102
}

@test "task-ok-but-running: the task is OK, the guest runs on" {
    sim_start
    sim_ctl fault task-ok-but-running guest=101 count=1
    [ "$(task_end "$(power pve1 qemu 101 stop)")" = OK ]
    has "$(status pve1 qemu 101)" '"status":"running"'
    guest_alive 101
    [ "$(task_end "$(power pve1 qemu 101 stop)")" = OK ]
    guest_dead 101
}

@test "replies are lost before the work or after it" {
    sim_start
    sim_ctl fault reply-lost-before call=stop guest=101 count=1
    run ! power pve1 qemu 101 stop
    guest_alive 101
    [ "$(sim_ctl faults)" = "reply-lost-before guest=101 call=stop fired=1 left=0" ]
    sim_ctl fault reply-lost-after call=stop guest=101 count=1
    run ! power pve1 qemu 101 stop
    sim_ctl wait 101 stopped
    guest_dead 101
}

@test "a call is carried out late and never answered, or answered late" {
    sim_start
    sim_hold stop 101
    sim_ctl fault carried-out-late call=stop ms=100 count=1
    run -28 power pve1 qemu 101 stop --max-time 3
    sim_held 101
    guest_alive 101
    sim_release 101
    sim_ctl wait 101 stopped 60000
    sim_ctl fault reply-late call=stop ms=500 count=1
    before=$(now_ms)
    has "$(power pve2 qemu 102 stop)" UPID
    [ $(($(now_ms) - before)) -ge 500 ]
    sim_ctl fault carried-out-late call=stop guest=103 ms=100 status=596 answer-ms=50 reason=Connection timed out
    sim_hold stop 103
    [ "$(power pve3 qemu 103 stop)" = "596 " ]
    sim_held 103
    guest_alive 103
    sim_release 103
    sim_ctl wait 103 stopped 60000
}

@test "a body that is lost on the way leaves what the query says" {
    sim_start
    sim_ctl fault body-lost
    has "$(power pve1 qemu 101 'stop?timeout=probe' -d 'timeout=3')" "got 'probe'"
    [ "$(task_end "$(power pve1 qemu 101 stop -d timeout=probe)")" = OK ]
}

@test "answers are garbled: another status, no JSON, truncated, no UPID, another guest" {
    sim_start
    sim_ctl fault http call=version status=596 reason=tls_process_server_certificate: certificate verify failed
    has "$(api GET /version)" '596 {"data":null}'
    sim_ctl clear
    sim_ctl fault garbage call=version
    has "$(api GET /version)" '200 <html>'
    sim_ctl clear
    sim_ctl fault truncated call=version
    run -18 api GET /version
    sim_ctl clear
    sim_ctl fault wrong-guest call=status guest=101 with=102
    has "$(status pve1 qemu 101)" '"vmid":102'
    sim_ctl fault no-upid-500 call=stop
    answer=$(power pve1 qemu 101 stop)
    has "$answer" '500 {"data":null,"message":"unable to create task log: No space left on device'
    sim_ctl wait 101 stopped
}

@test "endpoints are silent, refuse or reset, and come back" {
    sim_start
    sim_ctl fault silent endpoint=pve1
    run -28 api GET /version --max-time 0.3
    ASK_AT=pve2
    has "$(api GET /version)" '200 '
    ASK_AT=pve1
    sim_ctl clear silent
    sim_ctl fault refuse endpoint=pve1
    run -7 api GET /version
    sim_ctl clear refuse
    sim_ctl fault reset endpoint=pve1
    run api GET /version
    [ "$status" -ne 0 ]
    sim_ctl clear reset
    has "$(api GET /version)" '200 '
}

@test "a stop is refused, fails in its task, or does not get the lock" {
    sim_start
    sim_ctl fault stop-403 guest=101
    has "$(power pve1 qemu 101 stop)" '403 {"data":null,"message":"Permission check failed (/vms/101, VM.PowerMgmt)'
    has "$(power pve1 qemu 101 'stop?timeout=probe')" '403 '
    sim_ctl clear
    sim_ctl fault task-error call=stop guest=101 count=1 text=storage 'nfs' is not online
    [ "$(task_end "$(power pve1 qemu 101 stop)")" = "storage nfs is not online" ]
    sim_ctl fault got-timeout guest=101 count=1
    has "$(task_end "$(power pve1 qemu 101 stop)")" 'got timeout'
    guest_alive 101
    [ "$(task_end "$(power pve1 qemu 101 stop)")" = OK ]
}

@test "lists stay as they were while they are frozen" {
    sim_start
    sim_ctl fault list-age
    sim_ctl kill 101
    sim_ctl wait 101 stopped
    has "$(api GET '/cluster/resources?type=vm')" '"vmid":101,"node":"pve1","status":"running"'
    has "$(status pve1 qemu 101)" '"status":"stopped"'
    sim_ctl clear list-age
    has "$(api GET '/cluster/resources?type=vm')" '"vmid":101,"node":"pve1","status":"stopped"'
}

@test "tickets live as long as they are told to" {
    sim_start
    AUTH='X-None: 0'
    login() { api POST /access/ticket -d username=operator@pve --data-urlencode "password=$OPERATOR_PASSWORD" | sed -E 's/.*"ticket":"([^"]*)".*/\1/'; }
    AUTH="Cookie: PVEAuthCookie=$(login)"
    has "$(api GET /version)" '200 '
    sim_ctl 401-delay 0
    sim_ctl clock +7000
    has "$(api GET /version)" '200 '
    sim_ctl clock +201
    [ "$(api GET /version)" = "401 " ]
    AUTH="Cookie: PVEAuthCookie=$(login)"
    has "$(api GET /version)" '200 '
    sim_ctl fault tickets-expire
    [ "$(api GET /version)" = "401 " ]
}

@test "changes of user.cfg count at once, and what is not granted is not seen" {
    sim_start
    has_not "$(api GET '/cluster/resources?type=vm')" stranger
    has "$(status pve1 qemu 200)" '403 '
    sed -i 's/^pool:.*/pool:nfs_cluster::200::/' "$SIM/user.cfg"
    has "$(status pve1 qemu 200)" '200 '
    has "$(status pve1 qemu 101)" '403 '
}

@test "a token sees its own tasks only, its user sees both" {
    sim_start
    power pve1 qemu 101 stop
    sim_ctl wait 101 stopped
    sim_ctl start 101
    sim_ctl wait 101 running
    await 60 eval 'has "$(api GET "/nodes/pve1/tasks?vmid=101")" qmstop'
    has_not "$(api GET '/nodes/pve1/tasks?vmid=101')" qmstart
    has "$(api GET '/nodes/pve1/tasks?vmid=102')" '{"data":[]}'
}

@test "unknown faults, keys, guests and words are refused" {
    sim_start
    run -1 sim_ctl fault nosuch
    run -1 sim_ctl fault undead colour=blue
    run -1 sim_ctl set 101 colour=blue
    run -1 sim_ctl kill 999
    run -1 sim_ctl nosuch
    run -1 sim_ctl wait 101 stopped 50
    has "$output" 'not stopped yet'
}
