#!/usr/bin/env bats
# make install and uninstall into a folder: what a packager does.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    D=$(mktemp -d "${TMPDIR:-/tmp}/fence-broker-install.XXXXXX")
    # the programs are there already; with -o they are taken as they are
    B=${BUILD:-build}
    old=(-o all -o "$B/fence_broker" -o "$B/fence_brokerd" -o "$B/fence-broker-admin" -o "$B/pvesim" "B=$B")
}

teardown() {
    rm -rf "$D"
}

@test "install puts programs, manuals, units and an annotated configuration where they belong" {
    make -s "${old[@]}" install DESTDIR="$D" prefix=/usr sysconfdir=/etc
    for file in usr/sbin/fence_broker usr/libexec/fence-broker/fence_brokerd usr/sbin/fence-broker-admin usr/share/man/man8/fence_broker.8 usr/share/man/man8/fence_brokerd.8 \
        usr/share/man/man8/fence-broker-admin.8 \
        usr/share/man/man5/fence-broker.conf.5 usr/lib/systemd/system/fence-broker.service \
        usr/lib/systemd/system/fence-broker.socket usr/lib/systemd/system/fence-broker-metrics.socket \
        usr/lib/systemd/system/fence-broker-root.socket usr/lib/systemd/system/fence-broker-root@.socket \
        usr/lib/systemd/system/fence-broker@.service usr/lib/systemd/system/fence-broker@.socket \
        usr/lib/systemd/system/fence-broker-metrics@.socket \
        usr/lib/systemd/system/fence-broker-metrics-proxy.socket usr/lib/systemd/system/fence-broker-metrics-proxy.service \
        usr/lib/systemd/system/fence-broker-textfile.timer usr/lib/systemd/system/fence-broker-textfile.service \
        usr/lib/sysusers.d/fence-broker.conf usr/lib/tmpfiles.d/fence-broker.conf \
        usr/lib/systemd/catalog/fence-broker.catalog usr/share/man/man7/fence-broker-metrics.7 \
        usr/share/doc/fence-broker/prometheus/fence-broker.rules.yml usr/share/doc/fence-broker/prometheus/scrape-proxy.yml \
        usr/share/doc/fence-broker/grafana/fence-broker.json usr/share/doc/fence-broker/runbooks/FenceBrokerDown.md; do
        [ -f "$D/$file" ]
    done
    [ "$(stat -c %a "$D/etc/fence-broker/fence-broker.conf")" = 640 ]
    run "$D/usr/sbin/fence-broker-admin" check -c "$D/etc/fence-broker/fence-broker.conf"
    [ "$status" = 1 ]
    [[ $output == *'there is no endpoint in [proxmox]; add to the section [proxmox] of the file: `endpoint = '* ]]
}

@test "other folders reach the units" {
    make -s "${old[@]}" install DESTDIR="$D" prefix=/usr/local sysconfdir=/usr/local/etc unitdir=/etc/systemd/system
    grep -q '^ExecStart=/usr/local/libexec/fence-broker/fence_brokerd -c /usr/local/etc/fence-broker/fence-broker.conf$' \
        "$D/etc/systemd/system/fence-broker.service"
}

# instance_of FILE: a unit of the first broker's, with the names that an instance has
instance_of() {
    sed -E 's,/etc/fence-broker/(fence-broker)?\.?,/etc/fence-broker/%i.,g; s,=proxmox-secret secret,=proxmox-secret %i.secret,
        s,fence-broker(-metrics|-root)?\.(socket|service),fence-broker\1@%i.\2,g; s,/run/fence-broker/,&%i/,
        s,^(StateDirectory=.*),\1/%i,; s,^(Description=.*),\1 (%i),' "$1"
}

@test "the units of a second broker differ from the first one's in names only" {
    local unit
    for unit in fence-broker.service fence-broker.socket fence-broker-root.socket fence-broker-metrics.socket; do
        diff <(instance_of "systemd/$unit") "systemd/${unit%.*}@.${unit##*.}"
    done
}

# systemd starts no service whose credential it cannot read, be it for another reason than that there is none
@test "no unit asks for a credential that the administrator has not configured" {
    run grep -EH '^(Load|Set|Import)Credential' systemd/*.service
    [ "$status" = 1 ]
    [ -z "$output" ]
}

@test "a second install keeps the configuration, uninstall takes all but it away" {
    make -s "${old[@]}" install DESTDIR="$D"
    echo '# mine' >>"$D/etc/fence-broker/fence-broker.conf"
    make -s "${old[@]}" install DESTDIR="$D"
    tail -n 1 "$D/etc/fence-broker/fence-broker.conf" | grep -qx '# mine'
    make -s "${old[@]}" uninstall DESTDIR="$D"
    [ "$(cd "$D" && find . -type f -o -type l)" = ./etc/fence-broker/fence-broker.conf ]
}

# it runs what is called so for its metadata, when devices or agents are listed
@test "nothing that Pacemaker takes for an agent is installed but the agent" {
    make -s "${old[@]}" install DESTDIR="$D" prefix=/usr
    [ "$(cd "$D" && find usr/sbin -name 'fence_*')" = usr/sbin/fence_broker ]
    # where an earlier version had put the daemon it would still be taken for one
    touch "$D/usr/sbin/fence_brokerd"
    make -s "${old[@]}" install DESTDIR="$D" prefix=/usr
    [ ! -e "$D/usr/sbin/fence_brokerd" ]
}

@test "what people run is a program of its own, and the daemon has none of the code that makes users" {
    make -s "${old[@]}" install DESTDIR="$D" prefix=/usr
    [ ! -L "$D/usr/sbin/fence-broker-admin" ]
    for path in access/users access/roles access/acl; do
        grep -aqF "$path" "$D/usr/sbin/fence-broker-admin"
        run grep -aqF "$path" "$D/usr/libexec/fence-broker/fence_brokerd"
        [ "$status" = 1 ]
    done
    # where an earlier version had a link to the daemon the daemon is not written over
    ln -sf ../libexec/fence-broker/fence_brokerd "$D/usr/sbin/fence-broker-admin"
    make -s "${old[@]}" install DESTDIR="$D" prefix=/usr
    [ ! -L "$D/usr/sbin/fence-broker-admin" ]
    cmp "$B/fence_brokerd" "$D/usr/libexec/fence-broker/fence_brokerd"
}
