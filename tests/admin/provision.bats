#!/usr/bin/env bats
# fence-broker-admin provision without --apply: the scripts it prints, run against a stand-in pveum, and what it refuses.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    ADMIN=$PWD/${BUILD:-build}/fence-broker-admin
    [[ ${BUILD:-build} != /* ]] || ADMIN=$BUILD/fence-broker-admin
    T=$(mktemp -d "${TMPDIR:-/tmp}/fence-broker-provision.XXXXXX")
    mkdir "$T/bin"
    printf '#!/bin/sh\nprintf "%%s\\n" "pveum $*" >>"%s/log"\n' "$T" >"$T/bin/pveum"
    chmod +x "$T/bin/pveum"
    printf 'user:root@pam:1:0::::::\npool:other::200::\n' >"$T/user.cfg"
}

teardown() { rm -rf "$T"; }

WISH=(--pool nfs_cluster --guests 102,101,102 --user fence@pve --token broker)

# ran OPTION…: what the script did
ran() {
    "$ADMIN" provision "${WISH[@]}" "$@" >"$T/script"
    : >"$T/log"
    PATH=$T/bin:$PATH USER_CFG=$T/user.cfg sh "$T/script"
    output=$(<"$T/log")
}
did() { grep -qxF -- "$1" <<<"$output" || { printf 'no line "%s" in:\n%s\n' "$1" "$output" >&2; return 1; }; }
did_not() { ! grep -qF -- "$1" <<<"$output" || { printf 'a line with "%s" in:\n%s\n' "$1" "$output" >&2; return 1; }; }

# refused TEXT OPTION…
refused() {
    local text=$1
    shift
    run "$ADMIN" provision "$@"
    [ "$status" = 2 ] || { printf 'exit %s, not 2: %s\n' "$status" "$output" >&2; return 1; }
    [[ $output == *"$text"* ]] || { printf 'no "%s" in: %s\n' "$text" "$output" >&2; return 1; }
}

@test "the script makes pool, role, user, token and both grants, and nothing else" {
    ran
    did "pveum pool add nfs_cluster --comment made by fence_brokerd provision"
    did "pveum pool modify nfs_cluster --vms 101"
    did "pveum pool modify nfs_cluster --vms 102"
    did "pveum role add FenceBroker --privs VM.PowerMgmt,VM.Audit,Pool.Audit"
    did "pveum user add fence@pve --comment made by fence_brokerd provision"
    did "pveum acl modify /pool/nfs_cluster --users fence@pve --roles FenceBroker --propagate 0"
    did "pveum user token add fence@pve broker --privsep 1 --comment made by fence_brokerd provision"
    did "pveum acl modify /pool/nfs_cluster --tokens fence@pve!broker --roles FenceBroker --propagate 0"
    [ "$(wc -l <"$T/log")" = 8 ]
}

@test "run again it leaves alone what is there" {
    cat >>"$T/user.cfg" <<-'END'
	user:fence@pve:1:0:::::
	token:fence@pve!broker:0:1::
	pool:nfs_cluster::101,103::
	role:FenceBroker:VM.Audit:
	END
    ran
    did_not "pool add"
    did_not "--vms 101"
    did "pveum pool modify nfs_cluster --vms 102"
    did_not "role add"
    did "pveum role modify FenceBroker --privs VM.PowerMgmt,VM.Audit,Pool.Audit"
    did_not "user add"
    did_not "token add"
}

@test "a group is granted instead of the user, and several tokens each have a grant" {
    ran --group nfs_fence --token node2 --role MyFence
    did "pveum group add nfs_fence --comment made by fence_brokerd provision"
    did "pveum user modify fence@pve --groups nfs_fence --append 1"
    did "pveum acl modify /pool/nfs_cluster --groups nfs_fence --roles MyFence --propagate 0"
    did_not "--users fence@pve"
    did "pveum acl modify /pool/nfs_cluster --tokens fence@pve!broker --roles MyFence --propagate 0"
    did "pveum acl modify /pool/nfs_cluster --tokens fence@pve!node2 --roles MyFence --propagate 0"
}

@test "VM.Monitor only where it is asked for and exists" {
    ran --with-vm-monitor --pve 8
    did "pveum role add FenceBroker --privs VM.PowerMgmt,VM.Audit,Pool.Audit,VM.Monitor"
    refused "Proxmox VE 9 has no VM.Monitor" "${WISH[@]}" --with-vm-monitor --pve 9
    refused "--with-vm-monitor needs --pve 7 or --pve 8" "${WISH[@]}" --with-vm-monitor
}

@test "for dead-host = trust-ha Sys.Audit is granted on / alone, by a role of its own, and --remove takes it away" {
    ran --trust-ha
    did "pveum role add FenceBrokerHA --privs Sys.Audit"
    did "pveum acl modify / --users fence@pve --roles FenceBrokerHA --propagate 0"
    did "pveum acl modify / --tokens fence@pve!broker --roles FenceBrokerHA --propagate 0"
    printf '%s\n' 'user:fence@pve:1:0::::::' 'token:fence@pve!broker:0:1::' 'role:FenceBrokerHA:Sys.Audit:' >>"$T/user.cfg"
    ran --trust-ha --remove
    did "pveum acl delete / --users fence@pve --roles FenceBrokerHA"
    did "pveum acl delete / --tokens fence@pve!broker --roles FenceBrokerHA"
    did "pveum role delete FenceBrokerHA"
    ran --remove
    did_not "FenceBrokerHA"
}

@test "--remove takes away what bears our mark, and the role unless a grant names it" {
    cat >>"$T/user.cfg" <<-'END'
	user:fence@pve:1:0::::made by fence_brokerd provision::
	token:fence@pve!broker:0:1:made by fence_brokerd provision:
	pool:nfs_cluster:made by fence_brokerd provision:101,102::
	role:FenceBroker:VM.PowerMgmt,VM.Audit,Pool.Audit:
	END
    ran --remove
    did "pveum acl delete /pool/nfs_cluster --users fence@pve --roles FenceBroker"
    did "pveum user token remove fence@pve broker"
    did "pveum user delete fence@pve"
    did "pveum role delete FenceBroker"
    did "pveum pool modify nfs_cluster --delete 1 --vms 101,102"
    did "pveum pool delete nfs_cluster"
    sed -i 's/made by fence_brokerd provision//' "$T/user.cfg"
    echo 'acl:1:/pool/other:x@pve:FenceBroker:' >>"$T/user.cfg"
    ran --remove
    did_not "user delete"
    did_not "token remove"
    did_not "role delete"
    did_not "pool delete"
}

@test "--print-admin prints the steps for an administrator who is not root" {
    run "$ADMIN" provision --print-admin --as boss@pam
    [ "$status" = 0 ]
    [[ $output == *"adduser boss sudo"* && $output == *'pveum acl modify / --groups pvemgrs --roles Administrator'* && $output == *TOTP* ]]
    refused "makes a user of the realm pam" --print-admin --as boss@pve
}

@test "users may be called what Proxmox allows: in the script each is one word, and comes back as it was" {
    for name in 'svc_fence$@AD' "o'neill@pve" 'a"b#c`id`@pve' 'dom\name@AD' $'m\xc3\xbcller@pve' 'x&y|z*@pve' hastings@pve; do
        printf 'user:root@pam:1:0::::::\npool:other::200::\n' >"$T/user.cfg"
        WISH=(--pool nfs_cluster --guests 101 --user "$name" --token broker)
        ran
        did "pveum user add $name --comment made by fence_brokerd provision"
        did "pveum acl modify /pool/nfs_cluster --users $name --roles FenceBroker --propagate 0"
        did "pveum user token add $name broker --privsep 1 --comment made by fence_brokerd provision"
        did "pveum acl modify /pool/nfs_cluster --tokens $name!broker --roles FenceBroker --propagate 0"
        [ "$(wc -l <"$T/log")" = 7 ]
        printf '%s\n' "user:$name:1:0::::made by fence_brokerd provision::" "token:$name!broker:0:1:made by fence_brokerd provision:" >>"$T/user.cfg"
        ran
        did_not "user add"
        did_not "token add"
        ran --remove
        did "pveum acl delete /pool/nfs_cluster --users $name --roles FenceBroker"
        did "pveum user token remove $name broker"
        did "pveum user delete $name"
        # what audit prints for such a name is a line to paste, too
        printf '%s\n' "token:$name!wide:0:0::" "acl:1:/:$name:Administrator:" >>"$T/user.cfg"
        "$ADMIN" audit --user-cfg "$T/user.cfg" --pve 9 | grep -oE 'pveum (user token modify|acl delete) .*' >"$T/script"
        : >"$T/log"
        PATH=$T/bin:$PATH sh "$T/script"
        output=$(<"$T/log")
        did "pveum user token modify $name wide --privsep 1"
        did "pveum acl delete / --users $name --roles Administrator"
        "$ADMIN" audit --user-cfg "$T/user.cfg" --pve 9 --json |
            NAME=$name perl -MJSON::PP -0777 -e 'exit !grep { $_->{id} eq $ENV{NAME} } @{ JSON::PP->new->decode(<STDIN>)->{identities} }'
    done
    run "$ADMIN" provision --print-admin --as "o'neill@pam"
    [[ $output == *"adduser 'o'\\''neill' sudo"*"pveum user add 'o'\\''neill@pam' --groups"* ]]
}

@test "what cannot be is refused before anything happens" {
    refused "--pool, --guests and --user are needed" --user fence@pve --token broker
    refused "at least one --token is needed" --pool p --guests 101 --user fence@pve
    refused "list of VMIDs" --pool p --guests 101,x --user fence@pve --token broker
    refused "list of VMIDs" --pool p --guests 99 --user fence@pve --token broker
    refused "is not a pool name of Proxmox" --pool 'p;rm' --guests 101 --user fence@pve --token broker
    refused "is not user@realm" --pool p --guests 101 --user $'fence\nrm@pve' --token broker
    refused "root@pam" --pool p --guests 101 --user root@pam --token broker
    refused "--token is a name" --pool p --guests 101 --user fence@pve --token 'a b'
    refused "named twice" --pool p --guests 101 --user fence@pve --token broker --token broker
    refused "belong to --apply" "${WISH[@]}" --yes
    refused "--as is missing" "${WISH[@]}" --apply pve1
    refused "prints a script for a root shell" "${WISH[@]}" --apply pve1 --as root@pam
    refused "is a URL" "${WISH[@]}" --apply https://pve1:8006 --as mgrsys@pam
    refused "SHA-256 fingerprint" "${WISH[@]}" --apply pve1 --as mgrsys@pam --fingerprint AB:CD
    refused "two ways to trust" "${WISH[@]}" --apply pve1 --as mgrsys@pam --ca-file x --fingerprint "$(printf 'AB:%.0s' {1..31})AB"
    refused "unexpected argument" "${WISH[@]}" more
}
