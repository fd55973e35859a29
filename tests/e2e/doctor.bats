#!/usr/bin/env bats
# doctor: what it says of a chain that is whole, and of one that is broken at each link, with the daemon and without.
# shellcheck disable=SC2034,SC2154

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
    export CIB_file=$T/no-such-cib.xml # this machine's own Pacemaker has nothing to do with it
    SIM_ARGUMENTS=(--scale 0.1)
    POLLS=(fence.deadline=5s proxmox.poll-interval=1s "nodes.$(uname -n)=101")
}
teardown() { fence_teardown; }

fingerprint_of() { openssl x509 -noout -sha256 -fingerprint -in "$SIM/$1.pem" | sed 's/.*=//'; }
endpoint() { sed -n "s/^$1 //p" "$SIM/endpoints"; }
endpoint_is() { [[ $(ask GET /v1/status | json "endpoints.$1.state") == "$2" ]]; }

# doctor [ARGUMENT…]: of the daemon, by the client; alone […]: without asking one. Set status, out, err.
doctor() { heard "$BUILD/fence_broker" doctor --socket "$SOCKET" "$@"; }
alone() { heard "$BUILD/fence-broker-admin" doctor -c "$CONFIG" "$@"; }
heard() {
    status=0
    "$@" </dev/null >"$T/out" 2>"$T/err" || status=$?
    out=$(<"$T/out") err=$(<"$T/err")
}
doctor_exits() { doctor; [[ $status == "$1" ]]; }
ends() { [[ $status == "$1" ]] || { printf 'exit %s, not %s:\n%s\n%s\n' "$status" "$1" "$out" "$err" >&2; return 1; }; }
# findings LEVEL: of a JSON report, "STEP: MESSAGE; HINT" a line
findings() {
    perl -MJSON::PP -0777 -e '
        print "$_->{step}: $_->{message}; ", $_->{hint} // "", "\n" for grep { $_->{level} eq $ARGV[0] } @{ decode_json(<STDIN>)->{findings} }' "$1" <<<"$out"
}
# the steps in the order of their first finding
steps() { perl -MJSON::PP -0777 -e 'print join(",", grep { !$seen{$_}++ } map { $_->{step} } @{ decode_json(<STDIN>)->{findings} }), "\n"' <<<"$out"; }
# took STEP: how many milliseconds, of a JSON report; fails if it is neither null nor a number
took() {
    perl -MJSON::PP -0777 -e '
        my ($step) = grep { $_->{step} eq $ARGV[0] } @{ decode_json(<STDIN>)->{steps} };
        my $took = $step->{took_ms} // "null";
        print "$took\n";
        exit($took =~ /^(null|[0-9]+(\.[0-9]+)?)$/ ? 0 : 1)' "$1" <<<"$out"
}
CHAIN="configuration,endpoints,login,privileges,pool,names,guests,this node" # and what the command adds

@test "a healthy chain: exit 0, every link is named in order, in both forms" {
    sim_start
    broker_start "${POLLS[@]}"
    await 30 doctor_exits 0
    like "$out" "Verdict: fine"$'\n'*
    is "$(grep -xE "${CHAIN//,/|}|cluster" <<<"$out" | paste -sd,)" "$CHAIN,cluster"
    refute grep -E '^  (unknown|warning|failure)' <<<"$out"
    like "$out" "*$(endpoint pve1) answers; its certificate is valid for *; TCP * ms, TLS * ms (* ago)*  time     * ms*Proxmox accepts fence@pve!broker (token)*4 guests*3 of 3*"
    doctor --json
    ends 0
    is "$(steps)" "$CHAIN,cluster"
    is "$(json exit_status <<<"$out") $(json daemon <<<"$out")" "0 true"
    unlike "$(for step in endpoints privileges pool guests; do took "$step"; done)" "*null*"
    is "$(took login) $(took names)" "null null"
    unlike "$out" "*$TOKEN_SECRET*"
}

@test "one endpoint of two is down: exit 2, and it is named with its error" {
    sim_start
    broker_start "${POLLS[@]}" proxmox.endpoint="$(endpoint pve1)"$'\n'"proxmox.endpoint=127.0.0.1:1"
    await 30 endpoint_is 1 down
    doctor
    ends 2
    like "$out" "Verdict: a fence would work, but something needs attention"$'\n'*
    doctor --json
    ends 2
    like "$(findings warning)" "endpoints: 127.0.0.1:1 is down for *: *; *"
    is "$(findings failure)" ""
}

@test "privileges are lacking: exit 1 with the line for pveum, and 0 once it was followed" {
    sim_users
    sed -i 's/^role:FenceBroker:.*/role:FenceBroker:VM.Audit,Pool.Audit:/' "$SIM/user.cfg"
    sim_start
    broker_configure "${POLLS[@]}"
    broker_spawn
    await 30 doctor_says "^  failure  missing: .*VM.PowerMgmt"
    ends 1
    is "$err" ""
    like "$out" "Verdict: a fence would fail"$'\n'*"hint: on a Proxmox host:"$'\n'"           paste: pveum "*
    doctor --json
    ends 1
    like "$(findings failure)" "privileges: missing: *VM.PowerMgmt*; on a Proxmox host: \`pveum *"
    broker_stop
    alone
    ends 1
    like "$out" "*failure  missing: *VM.PowerMgmt*hint: on a Proxmox host:*paste: pveum *"
    sed -i 's/^role:FenceBroker:.*/role:FenceBroker:VM.PowerMgmt,VM.Audit,Pool.Audit:/' "$SIM/user.cfg"
    sim_ctl reload
    broker_spawn
    await 30 doctor_exits 0
}
doctor_says() { doctor; grep -qE -- "$1" <<<"$out"; }

@test "a guest that is locked, a name that leads nowhere: exit 1, each with its line" {
    sim_start "guest 104 qemu pve1 vm104 running=1 lock=backup"
    sed -i 's/101,102,103,120/101,102,103,104,120/' "$SIM/user.cfg"
    sim_ctl reload
    broker_start "${POLLS[@]}" nodes.node9=vm999
    await 30 doctor_exits 1
    like "$out" "*names"$'\n'"  failure  \[nodes\] node9 = vm999: no such guest in the pool*"
    like "$out" "*guests"$'\n'"  failure  vm104 (104): locked: *(backup)*hint: *qm unlock 104*"
}

@test "without a daemon it looks by itself: all is well but for the daemon, and nothing is written" {
    sim_start
    broker_configure "${POLLS[@]}"
    alone --json
    ends 1
    is "$(steps)" "$CHAIN,cluster"
    is "$(findings unknown)$(findings warning)" ""
    unlike "$(for step in configuration endpoints privileges pool guests "this node"; do took "$step"; done)" "*null*"
    like "$(findings failure)" "this node: no daemon is running: nothing listens on $SOCKET; start it: \`systemctl enable --now *"
    is "$(wc -l <<<"$(findings failure)")" 1
    is "$(json daemon <<<"$out")$err" false
    is "$(ls -A "$STATE")" ""
    is "$(sim_calls stop)" 0
    broker_spawn
    await 30 doctor_exits 0
    alone
    ends 0
    like "$out" "Verdict: fine*Seen without a daemon*a daemon listens on $SOCKET; *fence_broker doctor*"
}

@test "the command gives the running daemon's report, whoever starts it, and asks no daemon with a configuration of its own" {
    sim_start
    broker_start "${POLLS[@]}"
    await 30 doctor_exits 0
    doctor
    sed 's/ ([0-9]* m*s ago)//; s/^  time .*//' <<<"$out" >"$T/by-client"
    heard "$BUILD/fence-broker-admin" doctor -s "$SOCKET"
    ends 0
    diff "$T/by-client" <(sed 's/ ([0-9]* m*s ago)//; s/^  time .*//' <<<"$out")
    like "$out" "Verdict: fine*As the running daemon sees it.*"
    heard "$BUILD/fence-broker-admin" doctor --socket "$SOCKET" --json
    ends 0
    is "$(steps) $(json daemon <<<"$out")" "$CHAIN,cluster true"
    # what the daemon itself says of it, and no more in between
    is "$(ask GET /v1/doctor | perl -MJSON::PP -0777 -e 'print join(",", sort keys %{ decode_json(<STDIN>) })')" \
        "$(perl -MJSON::PP -0777 -e 'print join(",", sort keys %{ decode_json(<STDIN>) })' <<<"$out")"
    heard "$BUILD/fence-broker-admin" doctor -s "$SOCKET" -c "$CONFIG"
    ends 1
    like "$err" "fence-broker-admin: --config does not ask the broker: leave out --socket*usage: *"
    kill -STOP "$BROKER_PID"
    alone
    kill -CONT "$BROKER_PID"
    ends 0
    like "$out" "*Seen without a daemon*"
}

@test "a certificate that is not believed: the fingerprint and the CA line are named, and the line mends it" {
    sim_start
    broker_configure "${POLLS[@]}" proxmox.ca-file= "proxmox.endpoint=$(endpoint pve1)"
    alone --json
    ends 1
    like "$(findings failure)" "endpoints: *not trusted*; *ca-file = *fingerprint = $(fingerprint_of pve1)*"
    like "$(findings unknown)" "*login: *privileges: *pool: *names: *guests: *"
    sed -i "/^\[proxmox\]/a fingerprint = $(fingerprint_of pve1)" "$CONFIG"
    broker_spawn
    await 30 doctor_exits 2
    doctor --json
    like "$(findings warning)" "endpoints: only one endpoint is configured*; *endpoint = HOST\`"
}

@test "a secret that Proxmox refuses is a failure of the login, not of what comes before or after" {
    sim_start
    echo 00000000-2222-3333-4444-555555555555 >"$T/secret"
    chmod 600 "$T/secret"
    broker_configure "${POLLS[@]}"
    alone --json
    ends 1
    like "$(findings failure)" "login: fence@pve!broker (token): *; *"$'\n'"this node: no daemon is running*"
    like "$(findings unknown)" "*privileges: *pool: *"
    unlike "$out$err" "*00000000-2222*"
}

@test "one-time codes: one is taken where no daemon is, and none from a daemon that is there" {
    sim_users
    echo "totp operator@pve JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP" >>"$SIM/secrets"
    (umask 077 && echo "$OPERATOR_PASSWORD" >"$T/secret" && echo JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP >"$T/totp")
    sim_start
    broker_configure "${POLLS[@]}" proxmox.token-id= proxmox.user=operator@pve proxmox.totp-file="$T/totp"
    alone
    ends 1
    like "$out" "*Proxmox accepts operator@pve (password and TOTP)*hint: this used a one-time code*"
    is "$(grep -c '^  failure' <<<"$out") $(sim_stat codes)" "1 1"
    unlike "$out$err" "*$OPERATOR_PASSWORD*"
    # a daemon that is there, whatever it has used
    spawn "$T/keeper" "$BATS_TEST_DIRNAME/socket-keeper" "$SOCKET" "$METRICS" "$T/pid" -- setpriv --pdeathsig KILL -- sleep 60
    KEEPER_PID=$SPAWNED
    await 30 test -S "$SOCKET"
    alone
    ends 2
    like "$out" "Verdict: a fence would work*unknown  not asked: a daemon is running*fence_broker doctor*"
    is "$(sim_stat codes)" 1
}

@test "an error in the file is a finding with its line, and the rest is not known" {
    sim_start
    broker_configure "${POLLS[@]}" proxmox.pol=x
    line=$(grep -n '^pol = ' "$CONFIG" | cut -d: -f1)
    alone --json
    ends 1
    like "$(findings failure)" "configuration: $CONFIG:$line: *pol*"
    is "$(steps)" "$CHAIN,cluster"
    is "$(wc -l <<<"$(findings unknown)")" 7
    alone --frob
    ends 1
    like "$err" "*usage: fence-broker-admin doctor*"
}

@test "who may not see a guest is told nothing of it, and who may not read what:doctor nothing at all" {
    source "$BATS_TEST_DIRNAME/users.bash"
    users_setup
    user mona 1001 1001 haclient
    user dave 1002 1002 haclient
    sim_start "guest 104 qemu pve1 secretive running=1 lock=backup"
    sed -i 's/101,102,103,120/101,102,103,104,120/' "$SIM/user.cfg"
    sim_ctl reload
    rules_start $'[access]\nenable-acl = yes\n[user mona]\nrule = read what:doctor\nrule = read guest:vm101\n[user dave]\nrule = read guest:*' \
        "${POLLS[@]:1}" nodes.secretnode=vm999
    await 30 doctor_exits 1
    like "$out" "*secretnode = vm999*secretive (104): locked*"
    await 30 mona_sees_all_well
    unlike "$out" "*secret*"
    like "$out" "*guests"$'\n'"  ok       1 of 1 guests*"
    heard client_as dave doctor
    ends 1
    like "$err" "*denied*"
    is "$out" ""
}
mona_sees_all_well() { heard client_as mona doctor; [[ $status == 0 ]]; }
