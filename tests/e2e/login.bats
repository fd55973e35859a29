#!/usr/bin/env bats
# Logging in in every way that Proxmox offers: second factors, realms, what ends a login and what is said about it.
# shellcheck disable=SC2034,SC2154

TOTP_SECRET=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
    SIM_ARGUMENTS=(--scale 0.1)
}
teardown() { fence_teardown; }

AS_USER=(proxmox.token-id= proxmox.user=operator@pve)
secret_file() { (umask 077; printf '%s\n' "$2" >"$T/$1"); }
monitor_says() { client -o monitor 2>&1 | grep -qF -- "$1"; }
session_error() { ask GET /v1/status | json "session.error.$1"; }
monitor_passes() { client -o monitor -q; }

# two_factors [TOTP SECRET]: a person who has one, and a broker that knows this
two_factors() {
    [[ -e $SIM/user.cfg ]] || sim_users
    echo "totp operator@pve $TOTP_SECRET" >>"$SIM/secrets"
    secret_file secret "$OPERATOR_PASSWORD"
    secret_file totp "${1:-$TOTP_SECRET}"
    WITH_TOTP=("${AS_USER[@]}" proxmox.totp-file="$T/totp" fence.deadline=5s)
}

# ---- days that pass as on a suspended machine ----

with_shifted_clock() {
    BROKER_COMMAND=("$BUILD/shifted/fence_brokerd")
    SHIFT=0
    printf '%-20s' 0 >"$T/shift"
    export SHIFTED_CLOCK=$T/shift
}

# pass SECONDS: here and at Proxmox
pass() {
    SHIFT=$((SHIFT + $1))
    sim_ctl clock "+$1"
    printf '%-20s' "$SHIFT" | dd of="$T/shift" conv=notrunc status=none
}

@test "a user with a second factor over three days: one code, and fences all the time" {
    local hour
    two_factors
    with_shifted_clock
    sim_start
    broker_start "${WITH_TOTP[@]}" proxmox.poll-interval=10min
    for ((hour = 0; hour < 72; hour++)); do
        pass 3600
        # a live read: at half its life the ticket is renewed with itself, by whoever asks
        is "$(ask GET /v1/guests/vm101 | json power)" on
        await 30 renewed $((hour + 2))
    done
    is "$(sim_stat codes)" 1
    is "$(ask GET /v1/status | json session.login_failures)" 0
    fence 101 -o off -n vm101
    succeeded
    guest_dead 101
    is "$(sim_stat codes)" 1
}
renewed() { [[ $(ask GET /v1/status | json session.logins) -ge $1 ]]; }

@test "a machine that slept for three hours logs in anew, with another code, and fences" {
    two_factors
    with_shifted_clock
    sim_start
    broker_start "${WITH_TOTP[@]}" proxmox.poll-interval=10min
    pass 10800
    fence 101 -o off -n vm101
    succeeded
    guest_dead 101
    is "$(sim_stat codes)" 2
}

@test "a key that is replaced at Proxmox: a new code in its own time, none twice" {
    two_factors
    with_shifted_clock
    sim_start
    broker_start "${WITH_TOTP[@]}" proxmox.poll-interval=10min
    sim_ctl fault tickets-expire
    pass 30
    fence 101 -o off -n vm101
    succeeded
    guest_dead 101
    is "$(sim_stat codes)" 2
}

# as systemd does it: the broker finds what it had it keep
with_kept_memory() {
    head -c 4096 /dev/zero >"$T/used"
    BROKER_COMMAND=(bash -c 'exec 3<>"$1"; shift; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=totp-used; exec "$@"' -
        "$T/used" "${BROKER_COMMAND[@]}")
}

@test "a broker that is killed and started again uses no code twice" {
    two_factors
    with_shifted_clock
    with_kept_memory
    sim_start
    # the beginning of a step, there and here: time enough for both
    pass $((30 - $(date +%s) % 30))
    broker_start "${WITH_TOTP[@]}"
    is "$(sim_stat codes)" 1
    broker_kill
    broker_spawn
    await 30 broker_said "the current TOTP code was already used"
    is "$(sim_stat codes)" 1
    broker_kill
    pass 30
    broker_spawn
    await 30 monitor_passes
    is "$(sim_stat codes)" 2
    is "$(ask GET /v1/status | json session.login_failures)" 0
}

@test "the second factor of Proxmox VE 7 is understood" {
    two_factors
    sim_guests
    sed -i 's/^version .*/version 7.4.3/' "$SIM/cluster.conf"
    sim_start
    broker_start "${WITH_TOTP[@]}"
    fence 101 -o off -n vm101
    succeeded
    guest_dead 101
    is "$(sim_stat codes)" 1
}

@test "the wrong TOTP secret: said with its way out, a code a step, and right after a reload" {
    two_factors KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU
    with_shifted_clock
    sim_start
    sim_ctl 401-delay 20
    broker_configure "${WITH_TOTP[@]}" proxmox.poll-interval=1s
    broker_spawn
    await 30 broker_said "refused the TOTP code"
    fence 101 -o off -n vm101
    failed no-session "timedatectl"
    guest_alive 101
    at_most "$(sim_stat codes)" 2 codes
    secret_file totp "$TOTP_SECRET"
    pass 60
    broker_reload
    await 30 monitor_passes
    next_fence_works 103
}

@test "what is no TOTP secret is refused at the start, without a byte of it" {
    two_factors not-a-secret-0189
    sim_start
    broker_configure "${WITH_TOTP[@]}"
    run "$BUILD/fence-broker-admin" check -c "$CONFIG"
    is "$status" 1
    like "$output" "*$T/totp*base32*"
    unlike "$output" "*not-a-secret*"
    chmod 644 "$T/totp"
    run "$BUILD/fence-broker-admin" check -c "$CONFIG"
    is "$status" 1
    like "$output" "*world-readable*chmod o-rwx*"
}

@test "secrets as systemd credentials, the second factor's too; a reload says that they need a restart" {
    two_factors
    mkdir -m 700 "$T/credentials"
    cp "$T/secret" "$T/credentials/proxmox-secret"
    cp "$T/totp" "$T/credentials/proxmox-totp"
    rm "$T/secret" "$T/totp"
    export CREDENTIALS_DIRECTORY=$T/credentials
    sim_start
    broker_start "${AS_USER[@]}" proxmox.secret-file=
    is "$(sim_stat codes)" 1
    fence 101 -o off -n vm101
    succeeded
    guest_dead 101
    broker_reload
    broker_said "changed systemd credential takes effect at the next restart"
}

# ---- realms ----

@test "users of LDAP and Active Directory log in with their password" {
    local user
    sim_users
    printf 'ldap: company\n\tserver1 ldap.example.com\n\nad: office\n\tserver1 dc.example.com\n' >"$SIM/domains.cfg"
    for user in fence@company fence@office fence@pam; do
        sed -i -e "/^user:operator/a user:$user:1:0::::::" -e "s/,fence@pve!broker:F/,$user,fence@pve!broker:F/" "$SIM/user.cfg"
        echo "$user $OPERATOR_PASSWORD" >>"$SIM/secrets"
    done
    secret_file secret "$OPERATOR_PASSWORD"
    sim_start
    broker_start fence.deadline=5s proxmox.token-id= proxmox.user=fence@company
    fence 101 -o off -n vm101
    succeeded
    guest_dead 101
    for user in fence@office fence@pam; do
        broker_reload fence.deadline=5s proxmox.token-id= proxmox.user="$user"
        await 30 logged_in_as "$user"
    done
    next_fence_works 103
}
logged_in_as() { [[ $(ask GET /v1/status | json session.identity) == "$1" ]] && monitor_passes; }

@test "users of OpenID Connect, and of no realm at all, are told apart from a wrong password" {
    sim_users
    printf 'openid: sso\n\tissuer-url https://sso.example.com\n' >"$SIM/domains.cfg"
    sed -i '/^user:operator/a user:fence@sso:1:0::::::' "$SIM/user.cfg"
    secret_file secret "$OPERATOR_PASSWORD"
    sim_start
    sim_ctl 401-delay 20
    broker_configure fence.deadline=5s proxmox.token-id= proxmox.user=fence@sso
    broker_spawn
    await 30 broker_said "OpenID Connect"
    fence 101 -o off -n vm101
    failed no-session "pveum user token add fence@sso broker"
    broker_reload fence.deadline=5s proxmox.token-id= proxmox.user=fence@nowhere
    await 30 broker_said "no realm nowhere"
    like "$(session_error message)" "*it has: pam, pve, sso"
    like "$(session_error hint)" "fix user =*"
    guest_alive 101
}

# ---- what ends ----

@test "an expired user and an expired token are said with where to look, and work again when prolonged" {
    sim_users
    sed -i -e 's/^user:operator@pve:1:0/user:operator@pve:1:1000000000/' \
        -e 's/^token:fence@pve!broker:0/token:fence@pve!broker:1000000000/' "$SIM/user.cfg"
    sim_start
    sim_ctl 401-delay 20
    secret_file secret "$OPERATOR_PASSWORD"
    broker_configure fence.deadline=5s "${AS_USER[@]}" proxmox.poll-interval=1s
    broker_spawn
    await 30 broker_said "authentication failure"
    like "$(session_error hint)" "*expired user: check \`pveum user list\` for operator@pve*"
    secret_file secret "$TOKEN_SECRET"
    broker_reload fence.deadline=5s proxmox.poll-interval=1s
    await 30 broker_said "does not accept the token"
    like "$(session_error hint)" "*expired token*pveum user token list fence@pve*"
    fence 101 -o off -n vm101
    failed no-session
    guest_alive 101
    sed -i 's/^token:fence@pve!broker:1000000000/token:fence@pve!broker:0/' "$SIM/user.cfg"
    sim_ctl reload
    await 30 monitor_passes
    next_fence_works 103
}

@test "a token that is revoked while the broker runs, and a new one: no restart is needed" {
    sim_start
    sim_ctl 401-delay 20
    broker_start fence.deadline=5s proxmox.poll-interval=1s
    sed -i '/^token:/d; s/,fence@pve!broker:/:/' "$SIM/user.cfg"
    sim_ctl reload
    await 30 monitor_says "unknown or expired token"
    fence 101 -o off -n vm101
    failed no-session
    guest_alive 101
    # made anew under its old name: with another secret
    sim_users
    sed -i "s/^fence@pve!broker .*/fence@pve!broker 99999999-8888-7777-6666-555555555555/" "$SIM/secrets"
    sim_ctl reload
    secret_file secret 99999999-8888-7777-6666-555555555555
    broker_reload
    await 30 monitor_passes
    next_fence_works 103
}
