#!/usr/bin/env bats
# fence-broker-admin provision against pvesim: as an administrator with a second factor, twice, then the daemon with what was made fences, then
# --remove, and user.cfg is as before. Then what is in the way, each with its way out.

source "$BATS_TEST_DIRNAME/fence.bash"

ADMIN_PASSWORD=correct-horse-battery
TOTP_SECRET=JBSWY3DPEHPK3PXP

setup() {
    e2e_setup
    cat >"$SIM/user.cfg" <<-END
	user:root@pam:1:0::::::
	user:mgrsys@pam:1:0::::::
	user:helper@pve:1:0::::::

	group:pvemgrs:mgrsys@pam::

	pool:other::200::

	role:Unused:VM.Audit:

	acl:1:/:@pvemgrs:Administrator:
	acl:1:/pool/other:helper@pve:PVEVMUser:
	END
    printf '%s\n' "mgrsys@pam $ADMIN_PASSWORD" "helper@pve help-me-please" >"$SIM/secrets"
}

teardown() { fence_teardown; }

endpoint() { sed -n '1s/^[^ ]* //p' "$SIM/endpoints"; }

# totp: the code of now
totp() {
    perl -MDigest::SHA=hmac_sha1 -e '
        my $bits = join "", map { sprintf "%05b", index "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", $_ } split //, $ARGV[0];
        my $mac = hmac_sha1(pack("Q>", time / 30), pack("B*", substr($bits, 0, 8 * int(length($bits) / 8))));
        my $at = ord(substr $mac, -1) & 15;
        printf "%06d\n", (unpack("N", substr $mac, $at, 4) & 0x7fffffff) % 1_000_000' "$TOTP_SECRET"
}

# provision OPTION…: what the tests have in common; sets status and output
provision() {
    run "$BUILD/fence-broker-admin" provision --pool nfs_cluster --guests 101,102,103 --user fence@pve --token broker \
        --apply "$(endpoint)" --as mgrsys@pam --ca-file "$SIM/pve-root-ca.pem" --yes --password-fd 7 7<<<"$ADMIN_PASSWORD" "$@"
    echo "$output" >&2
}

says() { like "$output" "*$1*"; }

# lines_of FILE: what is in a user.cfg, whatever its form
lines_of() { sed 's/:*$//; /^$/d' "$1" | sort; }

with_second_factor() { echo "totp mgrsys@pam $TOTP_SECRET" >>"$SIM/secrets"; }

@test "made twice, used by the daemon, taken away: and user.cfg is as before" {
    with_second_factor
    sim_start
    cp "$SIM/user.cfg" "$T/before"
    provision --secret-file "$T/made" --group nfs_fence --totp-fd 8 8< <(totp)
    is "$status" 0
    says "create the token fence@pve!broker"
    says "fence@pve!broker: just what fencing needs"
    says "token-id = fence@pve!broker"
    is "$(stat -c %a "$T/made")" 600
    unlike "$output" "*$(<"$T/made")*"
    unlike "$output" "*$ADMIN_PASSWORD*"
    grep -q '^acl:0:/pool/nfs_cluster:@nfs_fence:FenceBroker:' "$SIM/user.cfg"
    cp "$SIM/user.cfg" "$T/after"

    # once more: nothing to do. A code counts once: without a second factor from here on
    sed -i '/^totp/d' "$SIM/secrets"
    provision --group nfs_fence
    is "$status" 0
    says "nothing to do"
    cmp "$T/after" "$SIM/user.cfg"

    install -m 600 "$T/made" "$T/secret"
    broker_start
    guest_alive 102
    fence 102 -o off -n vm102
    succeeded
    guest_dead 102
    broker_stop

    provision --group nfs_fence --remove
    is "$status" 0
    is "$(lines_of "$SIM/user.cfg")" "$(lines_of "$T/before")"
}

@test "Proxmox VE 7 and 8 too, with VM.Monitor where it is wished for, and a nested pool where there are any" {
    sim_guests
    sed -i 's/^version .*/version 7.4.19/' "$SIM/cluster.conf"
    sim_start
    provision --secret-file "$T/made" --with-vm-monitor
    is "$status" 0
    grep -q '^role:FenceBroker:VM.PowerMgmt,VM.Audit,Pool.Audit,VM.Monitor:' "$SIM/user.cfg"
    provision --remove
    is "$status" 0
    sim_stop
    sed -i 's/^version .*/version 8.4.1/' "$SIM/cluster.conf"
    sim_start
    run "$BUILD/fence-broker-admin" provision --pool other/nfs --guests 101,102 --user fence@pve --token broker --secret-file "$T/nested" \
        --apply "$(endpoint)" --as mgrsys@pam --ca-file "$SIM/pve-root-ca.pem" --yes --password-fd 7 7<<<"$ADMIN_PASSWORD"
    is "$status" 0
    says "fence@pve!broker: just what fencing needs"
    run "$BUILD/fence-broker-admin" provision --pool other/nfs --guests 101,102 --user fence@pve --token broker --remove \
        --apply "$(endpoint)" --as mgrsys@pam --ca-file "$SIM/pve-root-ca.pem" --yes --password-fd 7 7<<<"$ADMIN_PASSWORD"
    is "$status" 0
    not grep -q 'other/nfs\|fence@pve\|FenceBroker' "$SIM/user.cfg"
}

@test "a user with any name is made, used by the daemon, and taken away" {
    sim_start
    cp "$SIM/user.cfg" "$T/before"
    for name in 'svc_fence$@pve' 'o'"'"'n\e"i#l@pve' $'m\xc3\xbcller@pve' hastings@pve; do
        provision --user "$name" --secret-file "$T/made"
        is "$status" 0
        [[ $output == *"$name!broker: just what fencing needs"* ]]
        provision --user "$name"
        says "nothing to do"
        install -m 600 "$T/made" "$T/secret"
        broker_start "proxmox.token-id=$name!broker"
        fence 102 -o off -n vm102
        succeeded
        guest_dead 102
        broker_stop
        "$BUILD/fence-broker-admin" audit --user-cfg "$SIM/user.cfg" --pve 9 | tr -s ' ' | grep -qF -- "$name!broker yes nfs_cluster 3/3 no"
        provision --user "$name" --remove
        is "$status" 0
        is "$(lines_of "$SIM/user.cfg")" "$(lines_of "$T/before")"
        rm "$T/made"
        sim_ctl start 102
        sim_ctl wait 102 running
        guest_note 102
    done
}

@test "each node its own token: two secrets in two files, and no group" {
    sim_start
    provision --token node2 --secret-file "$T/made"
    is "$status" 0
    says "fence@pve!broker: just what fencing needs"
    says "fence@pve!node2: just what fencing needs"
    is "$(stat -c %a "$T/made.broker" "$T/made.node2" | sort -u)" 600
    not cmp "$T/made.broker" "$T/made.node2"
    grep -q '^acl:0:/pool/nfs_cluster:fence@pve:FenceBroker:' "$SIM/user.cfg"
    run "$BUILD/fence-broker-admin" audit --user-cfg "$SIM/user.cfg" --pve 9
    like "$output" "*fence@pve!broker  yes         nfs_cluster 3/3  no*"
    like "$output" "*fence@pve!node2   yes         nfs_cluster 3/3  no*"
}

@test "a guest of another pool, one that is not there and a role of others' are in the way, and nothing is changed" {
    sed -i 's/^role:Unused.*/role:FenceBroker:VM.Audit:/; s/helper@pve:PVEVMUser/helper@pve:FenceBroker/' "$SIM/user.cfg"
    sim_start
    cp "$SIM/user.cfg" "$T/before"
    run "$BUILD/fence-broker-admin" provision --pool nfs_cluster --guests 101,200,777 --user fence@pve --token broker --secret-file "$T/made" \
        --apply "$(endpoint)" --as mgrsys@pam --ca-file "$SIM/pve-root-ca.pem" --yes --password-fd 7 7<<<"$ADMIN_PASSWORD"
    is "$status" 1
    says "STOP   guest 200 is in the pool other"
    says "pveum pool modify other --vms 200 --delete 1"
    says "STOP   there is no guest 777"
    says "STOP   the role FenceBroker is there, with VM.Audit, and others use it (helper@pve on /pool/other)"
    says "nothing was changed"
    cmp "$T/before" "$SIM/user.cfg"
    [[ ! -e $T/made ]]
}

@test "what is there is kept, what is missing is added, and what others made is not taken away" {
    sed -i '/^pool:other/a pool:nfs_cluster:of somebody:101::' "$SIM/user.cfg"
    sim_start
    provision --secret-file "$T/made"
    is "$status" 0
    says "there  the pool nfs_cluster"
    says "put into the pool: 102,103"
    provision --remove
    is "$status" 0
    says "the pool nfs_cluster stays: provision did not create it"
    grep -q '^pool:nfs_cluster:of somebody:101,102,103:' "$SIM/user.cfg"
    not grep -q 'fence@pve\|FenceBroker' "$SIM/user.cfg"
}

@test "what the user holds elsewhere is noted in the plan, and the audit at the end says what mends it" {
    sed -i '/^user:helper/a user:fence@pve:1:0::::::' "$SIM/user.cfg"
    echo 'acl:1:/:fence@pve:PVEAuditor:' >>"$SIM/user.cfg"
    sim_start
    provision --secret-file "$T/made"
    is "$status" 1
    says "note   fence@pve also holds PVEAuditor on /"
    says "pveum acl delete / --users fence@pve --roles PVEAuditor"
    says "fence@pve!broker: just what fencing needs"
    not grep -qF 'fence@pve: just what fencing needs' <<<"$output"
}

@test "a secret has a place before a token is made, and is never written over another file" {
    sim_start
    provision
    is "$status" 1
    says "--secret-file FILE"
    echo mine >"$T/made"
    provision --secret-file "$T/made"
    is "$status" 1
    says "$T/made exists already"
    is "$(<"$T/made")" mine
    not grep -q 'fence@pve' "$SIM/user.cfg"
}

@test "a token that was made although its answer was lost: its secret has no file, and the line to remove it is named" {
    sim_start
    sim_ctl fault reply-lost-after call=create-token count=1
    provision --secret-file "$T/made"
    is "$status" 1
    says "pveum user token remove fence@pve broker"
    [[ ! -e $T/made ]]
    grep -q '^token:fence@pve!broker:' "$SIM/user.cfg"
}

@test "an administrator without the rights is told which one is missing, and a wrong password says so" {
    sim_start
    run "$BUILD/fence-broker-admin" provision --pool nfs_cluster --guests 101 --user fence@pve --token broker --secret-file "$T/made" \
        --apply "$(endpoint)" --as helper@pve --ca-file "$SIM/pve-root-ca.pem" --yes --password-fd 7 7<<<help-me-please
    is "$status" 1
    says "Permission check failed (/access"
    says "helper@pve lacks the privilege named there"
    run "$BUILD/fence-broker-admin" provision --pool nfs_cluster --guests 101 --user fence@pve --token broker --secret-file "$T/made" \
        --apply "$(endpoint)" --as mgrsys@pam --ca-file "$SIM/pve-root-ca.pem" --yes --password-fd 7 7<<<wrong-guess
    is "$status" 1
    says "401 authentication failure"
    unlike "$output" "*wrong-guess*"
}

@test "an untrusted host is refused with the fingerprint to compare, and trusted by it" {
    local fingerprint wrong
    sim_start
    fingerprint=$(openssl s_client -connect "$(endpoint)" </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256 | sed 's/.*=//')
    wrong=$(tr 0-9A-F 1-9A-F0 <<<"$fingerprint")
    run "$BUILD/fence-broker-admin" provision --pool nfs_cluster --guests 101 --user fence@pve --token broker --secret-file "$T/made" \
        --apply "$(endpoint)" --as mgrsys@pam --yes --password-fd 7 7<<<"$ADMIN_PASSWORD"
    is "$status" 1
    says "--fingerprint $fingerprint"
    is "$(sim_calls ticket)" 0
    run "$BUILD/fence-broker-admin" provision --pool nfs_cluster --guests 101 --user fence@pve --token broker --secret-file "$T/made" \
        --apply "$(endpoint)" --as mgrsys@pam --yes --fingerprint "$fingerprint" --password-fd 7 7<<<"$ADMIN_PASSWORD"
    is "$status" 0
    says "fingerprint = $fingerprint"
    run "$BUILD/fence-broker-admin" provision --pool nfs_cluster --guests 101 --user fence@pve --token broker \
        --apply "$(endpoint)" --as mgrsys@pam --yes --fingerprint "$wrong" --password-fd 7 7<<<"$ADMIN_PASSWORD"
    is "$status" 1
    says "is not trusted"
    run "$BUILD/fence-broker-admin" provision --pool nfs_cluster --guests 101 --user fence@pve --token broker \
        --apply "$(endpoint) as elsewhere" --as mgrsys@pam --ca-file "$SIM/pve-root-ca.pem" --yes --password-fd 7 7<<<"$ADMIN_PASSWORD"
    is "$status" 1
    says "if that is the host: --apply '$(endpoint) as pve1'"
}

# echo_is_off: at the terminal that provision asks
echo_is_off() {
    local tty
    tty=$(readlink "/proc/$(pgrep -f "fence-broker-admin provision.*$T/made" --newest)/fd/0") && stty -F "$tty" -a | grep -q -- '-echo '
}
# terminal_shows TEXT; typed LINE
terminal_shows() { grep -qF -- "$1" "$T/terminal"; }
typed() { printf '%s\n' "$1" >&"$keyboard"; }

@test "at a terminal the password is asked for without echo, and a no changes nothing" {
    local keyboard script code=0
    command -v script >/dev/null || missing "script(1) is not here"
    sim_start
    cp "$SIM/user.cfg" "$T/before"
    mkfifo "$T/keyboard"
    exec {keyboard}<>"$T/keyboard"
    script -qefc "$BUILD/fence-broker-admin provision --pool nfs_cluster --guests 101 --user fence@pve --token broker --secret-file $T/made \
        --apply $(endpoint) --as mgrsys@pam --ca-file $SIM/pve-root-ca.pem" "$T/terminal" <"$T/keyboard" >/dev/null 2>&1 3>&- {keyboard}>&- &
    script=$!
    await 30 terminal_shows 'password of mgrsys@pam: '
    # the echo goes off just behind the question
    await 30 echo_is_off
    typed "$ADMIN_PASSWORD"
    await 30 terminal_shows 'do this? [y/N]'
    typed n
    wait "$script" || code=$?
    exec {keyboard}>&-
    is "$code" 1
    terminal_shows 'nothing was changed'
    not terminal_shows "$ADMIN_PASSWORD"
    cmp "$T/before" "$SIM/user.cfg"
}
