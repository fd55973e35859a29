#!/usr/bin/env bats
# fence-broker-admin audit: who could fence what, from a user.cfg alone.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    ADMIN=${BUILD:-build}/fence-broker-admin
    T=$(mktemp -d "${TMPDIR:-/tmp}/fence-broker-audit.XXXXXX")
    cat >"$T/user.cfg" <<-'END'
	user:fence@pve:1:0::::::
	token:fence@pve!broker:0:1::
	token:fence@pve!full:0:0::
	token:root@pam!backup:0:0::
	user:boss@pve:1:0::::::
	user:gone@pve:1:1000::::::
	user:off@pve:0:0::::::
	user:reader@pve:1:0::::::
	group:bosses:boss@pve::
	pool:nfs_cluster::101,102:nfs:
	pool:lab::200::
	role:FenceBroker:VM.PowerMgmt,VM.Audit,Pool.Audit:
	acl:0:/pool/nfs_cluster:fence@pve,fence@pve!broker,gone@pve,off@pve:FenceBroker:
	acl:1:/:@bosses:Administrator:
	acl:1:/vms:reader@pve:PVEAuditor:
	acl:0:/vms/300:newcomer@pve:PVEVMUser:
	this line means nothing
	END
}

teardown() { rm -rf "$T"; }

audit() { "$ADMIN" audit --user-cfg "$T/user.cfg" --pve 9 "$@"; }

# row TEXT: the answer has this line, blanks counted as one
row() { tr -s ' ' <<<"$output" | grep -qxF -- "$1" || { printf 'no line "%s" in:\n%s\n' "$1" "$output" >&2; return 1; }; }
no_row() { ! tr -s ' ' <<<"$output" | grep -qE -- "$1" || { printf 'a line like "%s" in:\n%s\n' "$1" "$output" >&2; return 1; }; }

# value PROGRAM: a Perl expression about the decoded answer $a
value() { perl -MJSON::PP -e 'local $/; my $a = JSON::PP->new->utf8->decode(<STDIN>); print eval($ARGV[0]) // "undef", "\n"; die $@ if $@' "$1" <<<"$output"; }

@test "agrees with the real code of Proxmox VE 7, 8 and 9 in all recorded cases" {
    run tests/admin/audit-cases "$ADMIN" tests/data/pve/permissions.jsonl
    echo "$output" >&2
    [ "$status" = 0 ]
}

@test "says who could fence what, and who of them can do more" {
    run audit
    [ "$status" = 0 ]
    row ' fence@pve!broker yes nfs_cluster 2/2 no'
    row ' boss@pve yes every guest yes'
    row ' boss@pve on / every privilege'
    row ' gone@pve no: expired nfs_cluster 2/2 no'
    no_row '^ reader@pve yes'
    row ' newcomer@pve no: does not exist 300 yes'
}

@test "says who cannot log in, and why" {
    run audit
    row ' gone@pve expired on 1970-01-01'
    row ' off@pve disabled'
}

@test "shows root in use, tokens without separation, grants above the pools and to nobody, each with the line that mends it" {
    run audit
    row ' root@pam!backup is a token of root: it can do everything on every host'
    row ' pveum user token remove root@pam backup'
    row ' pveum user token modify fence@pve full --privsep 1'
    row ' @bosses has Administrator on /, which reaches the guests of every pool'
    row " pveum acl delete / --groups bosses --roles Administrator"
    row ' newcomer@pve is granted PVEVMUser on /vms/300 and does not exist: whoever is created with that name gets it'
    row ' ignored line: this line means nothing'
}

@test "a pool in question narrows the answer, and what reaches beyond it is more than fencing needs" {
    run audit --pool lab
    row ' boss@pve yes lab 1/1 yes'
    no_row 'fence@pve!broker'
    echo 'acl:0:/pool/lab:fence@pve,fence@pve!broker:FenceBroker:' >>"$T/user.cfg"
    run audit --pool lab --identity 'fence@pve!broker'
    row ' fence@pve!broker yes lab 1/1 yes'
    row ' fence@pve!broker on /pool/nfs_cluster Pool.Audit, VM.Audit, VM.PowerMgmt'
    run audit --pool nolab
    [ "$status" = 1 ]
    [[ $output == *'there is no pool nolab in this user.cfg'* ]]
}

@test "what dead-host = trust-ha needs is more than fencing needs where that is not said, and where it propagates" {
    printf '%s\n' 'role:FenceBrokerHA:Sys.Audit:' 'acl:0:/:fence@pve,fence@pve!broker:FenceBrokerHA:' >>"$T/user.cfg"
    run audit
    row ' fence@pve!broker on / Sys.Audit'
    run audit --trust-ha
    no_row 'fence@pve!broker on / '
    sed -i 's/^acl:0:\/:fence/acl:1:\/:fence/' "$T/user.cfg"
    run audit --trust-ha
    row ' fence@pve!broker on / Sys.Audit'
}

@test "JSON has identities with their privileges, pools, warnings and findings" {
    run audit --json
    [ "$(value '(grep { $_->{id} eq "fence\@pve!broker" } @{$a->{identities}})[0]{may_log_in}')" = 1 ]
    [ "$(value 'join " ", sort map { $_->{path} } @{(grep { $_->{id} eq "fence\@pve!broker" } @{$a->{identities}})[0]{paths}}')" = \
        '/pool/nfs_cluster /storage/nfs /vms/101 /vms/102' ]
    [ "$(value 'join " ", map { $_->{path} } @{(grep { $_->{id} eq "boss\@pve" } @{$a->{identities}})[0]{paths}}')" = / ]
    [ "$(value 'join " ", @{$a->{pools}{nfs_cluster}}')" = '101 102' ]
    [ "$(value 'join " ", map { $_->{code} } @{$a->{findings}}')" = \
        'root-token token-without-separation grant-above-pool unknown-user' ]
    [ "$(value 'scalar @{$a->{warnings}}')" = 2 ]
}

@test "a question about an identity or a path is answered in full" {
    run audit --json --identity boss@pve
    [ "$(value '(grep { $_->{path} eq "/vms/200" } @{$a->{identities}[0]{paths}})[0]{privileges}{"VM.PowerMgmt"}')" = 1 ]
    run audit --json --identity 'fence@pve!broker' --path /vms/101 --path /vms/200
    [ "$(value 'join " ", map { $_->{path} } @{$a->{identities}[0]{paths}}')" = /vms/101 ]
    [ "$(value '$a->{identities}[0]{paths}[0]{privileges}{"VM.PowerMgmt"}')" = 0 ]
    run audit --path /vms/200
    row ' root@pam /vms/200 every privilege'
}

@test "what cannot be answered says what is missing" {
    run "$ADMIN" audit --pve 9
    [ "$status" = 2 ]
    [[ $output == *'--user-cfg is missing'* ]]
    run "$ADMIN" audit --user-cfg "$T/user.cfg"
    [ "$status" = 2 ]
    [[ $output == *'--pve is missing'* ]]
    run "$ADMIN" audit --user-cfg "$T/user.cfg" --pve 6
    [ "$status" = 2 ]
    run "$ADMIN" audit --user-cfg "$T/none" --pve 9
    [ "$status" = 1 ]
    [[ $output == *"$T/none: No such file or directory" ]]
}

@test "names from the file cannot play with the terminal" {
    printf 'user:\033[31mred@pve:1:0::::::\nacl:1:/vms:\033[31mred@pve:PVEVMUser:\n' >>"$T/user.cfg"
    run audit
    [[ $output == *'?[31mred@pve'* && $output != *$'\033'* ]]
    run audit --json
    [[ $output == *'\u001b[31mred@pve'* && $output != *$'\033'* ]]
}

@test "what is no user.cfg is told, and not taken for one that grants nothing" {
    run bash -c '"$1" audit --user-cfg - --pve 9 </dev/null' - "$ADMIN"
    [ "$status" = 1 ]
    [[ $output == "fence-broker-admin audit: standard input: is empty; copy /etc/pve/user.cfg from a Proxmox host, and see whether the command before the pipe failed" ]]
    echo 'ssh: connect to host pve1 port 22: Connection refused' >"$T/user.cfg"
    run audit
    [ "$status" = 1 ]
    [[ $output == *"$T/user.cfg: has no line of a user.cfg; "* ]]
}

@test "an identity that is not in the file is told, and one that only a grant names is there" {
    run audit --identity 'fence@pam!broker'
    [ "$status" = 1 ]
    [[ $output == *'there is no user or token fence@pam!broker in this user.cfg'* ]]
    run audit --identity newcomer@pve
    [ "$status" = 0 ]
    row ' newcomer@pve no: does not exist 300 yes'
}

@test "the daemon's own name takes none of the commands, and says which one does" {
    local daemon=${ADMIN%/*}/fence_brokerd
    for command in check doctor audit provision; do
        run "$daemon" "$command" --help
        [ "$status" = 2 ]
        [ "$output" = "fence_brokerd: the daemon has no command $command; run \`fence-broker-admin $command ...\`" ]
        run "$ADMIN" "$command" --help
        [ "$status" = 0 ]
        [[ $output == "usage: fence-broker-admin $command"* ]]
    done
    run "$daemon" --check -c "$T/none"
    [ "$status" = 1 ]
}
