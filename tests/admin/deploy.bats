#!/usr/bin/env bats
# The examples for Ansible and Terraform (doc/examples), as far as they can be tried without either: what they write is what the programs read and
# print. The playbook itself is run by tests/packages/deb.bats.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    B=${BUILD:-build}
    ADMIN=$B/fence-broker-admin
    T=$(mktemp -d "${TMPDIR:-/tmp}/fence-broker-deploy.XXXXXX")
}
teardown() { rm -rf "$T"; }

# yaml FILE EXPRESSION: prints what a Perl expression makes of the document, which is $y
yaml() {
    perl -MCPAN::Meta::YAML -e '
        open my $in, "<", $ARGV[0] or die; my $text = do { local $/; <$in> };
        my $y = CPAN::Meta::YAML->read_string($text)->[0]; print eval "$ARGV[1]" // die $@' "$@"
}
play() { yaml doc/examples/ansible.yml "$1"; }
# tf KEY: its values in proxmox.tf, a line each
tf() { sed -nE "s/^ *$1 += (.*)/\\1/p" doc/examples/proxmox.tf | tr -d '"'; }

@test "the playbook's configuration is one that the broker starts with" {
    printf '11111111-2222-3333-4444-555555555555\n' >"$T/secret"
    chmod 600 "$T/secret"
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout "$T/key" -out "$T/pve-root-ca.pem" 2>/dev/null
    play '$y->[0]{vars}{fence_broker_configuration}' | sed "s|/etc/fence-broker/|$T/|" >"$T/fence-broker.conf"
    chmod 600 "$T/fence-broker.conf"
    grep -q '^node1 = 101$' "$T/fence-broker.conf"
    printf '[socket]\ngroup = %s\n' "$(id -gn)" >>"$T/fence-broker.conf" # where there is no Pacemaker there may be no haclient
    run "$ADMIN" check -c "$T/fence-broker.conf"
    [ "$status" = 0 ] || { echo "$output"; false; }
    [[ $output == *': ok; 2 endpoints, 1 pools, 3 names, as fence@pve!broker'* ]]
}

@test "the playbook enables what the package has, and puts files where the configuration looks" {
    local unit file
    for unit in $(play 'join " ", map { @{ $_->{loop} // [] } } @{ $y->[0]{tasks} }') fence-broker.service; do
        [ -e "systemd/$unit" ] || { echo "no $unit"; false; }
    done
    for file in $(play '$y->[0]{vars}{fence_broker_configuration}' | sed -nE 's/^(secret|ca)-file = //p') /etc/fence-broker/fence-broker.conf; do
        [ "$(play 'join "\n", map { ( $_->{"ansible.builtin.copy"} // {} )->{dest} // () } @{ $y->[0]{tasks} }' | grep -cxF "$file")" = 1 ]
    done
    grep -qF "sudo apt install ./$(play '$y->[0]{vars}{fence_broker_package}') " README.md
    # each that a task notifies is there
    [ "$(play 'my %h = map { $_->{name} => 1 } @{ $y->[0]{handlers} }; scalar grep { $_->{notify} && !$h{ $_->{notify} } } @{ $y->[0]{tasks} }')" = 0 ]
}

@test "the device of the system role is that of the README" {
    local line
    line=$(yaml doc/examples/ha_cluster.yml 'my ($d) = @{ $y->{ha_cluster_resource_primitives} }; my $at = sub { join " ", map { "$_->{name}=$_->{value}" } @{ $_[0]{attrs} } };
        "pcs stonith create $d->{id} " . ( $d->{agent} =~ s/^stonith://r ) . " " . $at->( $d->{instance_attrs}[0] ) . " op $d->{operations}[0]{action} " . $at->( $d->{operations}[0] )')
    grep -qxF "$line" README.md || { echo "not in the README: $line"; false; }
    line=$(yaml doc/examples/ha_cluster.yml 'join " ", map { "$_->{name}=$_->{value}" } @{ $y->{ha_cluster_cluster_properties}[0]{attrs} }')
    grep -qF "$line" README.md
}

@test "pool, role, user, token and grants of the Terraform lines are those that provision makes" {
    "$ADMIN" provision --pool "$(tf pool_id | head -n 1)" --guests "$(tf default | tr -d '[] ')" --user "$(tf user_id | head -n 1)" --token "$(tf token_name)" >"$T/script"
    grep -qF "pveum role add '$(tf role_id | head -n 1)' --privs '$(tf privileges | tr -d '[] ')'" "$T/script"
    [ "$(grep -c '^pveum acl modify .* --propagate 0$' "$T/script")" = "$(grep -c '^resource "proxmox_acl"' doc/examples/proxmox.tf)" ]
    [ "$(tf propagate | sort -u)" = false ]
    [ "$(tf path | sort -u)" = "/pool/\${proxmox_virtual_environment_pool.cluster.pool_id}" ]
    [ "$(tf privileges_separation)" = true ]
    grep -q -- '--privsep 1 ' "$T/script"
}
