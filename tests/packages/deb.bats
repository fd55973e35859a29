#!/usr/bin/env bats
# The Debian packages as an administrator meets them: installed on a machine that has systemd and nothing else, set up as their README.Debian says,
# fencing, upgraded and downgraded in the middle of it, and purged. DEBS is the folder of the packages, MACHINE_LOWER a root of their release
# (packaging/deb/try).
# shellcheck disable=SC2034,SC2154

source "$BATS_TEST_DIRNAME/../systemd/machine.bash"

setup_file() {
    [[ -n ${DEBS:-} ]] || return 0
    machine_start
}
teardown_file() { [[ -z ${DEBS:-} ]] || machine_stop; }
setup() {
    [[ -n ${DEBS:-} ]] || skip "make check-deb runs this"
    machine_needed
}
teardown() {
    [[ -n ${BATS_TEST_COMPLETED:-} || -z ${DEBS:-} ]] || {
        on journalctl -q --no-pager -n 40 -o short-monotonic
    } >&2
}

# what the other machines are given by hand comes in packages here
machine_install() {
    mkdir "$1/srv/source" "$1/srv/next"
    cp "$DEBS"/*.deb "$1/srv/"
    cp -r "$ROOT/debian" "$1/srv/source/"
    cp -r "$ROOT/doc/examples" "$1/srv/examples"
    echo 'APT::Install-Recommends "0";' >"$1/etc/apt/apt.conf.d/90no-recommends"
    # asks without a pause, and says what was refused, how often it asked, and what took longest
    cat >"$1/srv/ask" <<-'END'
	#!/bin/bash
	count=0 longest=0
	while [[ ! -e /run/enough ]]; do
	    begin=$(date +%s%3N)
	    said=$("$@" 2>&1) || echo "refused: $said"
	    took=$(($(date +%s%3N) - begin))
	    ((took <= longest)) || longest=$took
	    count=$((count + 1))
	done
	echo "$count asked, the longest took $longest ms: $*"
	END
    chmod 755 "$1/srv/ask"
}
machine_proxmox() { :; }

stops_of() { sim_ctl log | grep -c "POST /nodes/[^ ]*/$1/status/stop"; }

# under_load COMMAND…: while four ask without a pause; nobody may be refused
under_load() {
    local i
    on rm -f /run/enough
    on_begin ask1 /srv/ask fence_broker -o monitor -q
    on_begin ask2 /srv/ask fence_broker -o monitor -q
    on_begin ask3 /srv/ask fence_broker -o list -q
    on_begin ask4 /srv/ask fence_broker -o status -n node1 -q
    "$@"
    on touch /run/enough
    for i in 1 2 3 4; do
        on_end ask$i
        echo "# $out" >&3
        like "$out" '*asked*'
        unlike "$out" '*refused*'
    done
}

@test "they install where nothing of them was, nor of Pacemaker, and nothing runs that is not configured" {
    refute on getent group haclient
    refute on sh -c 'command -v pacemakerd'
    on sh -c 'apt-get -qq -y install /srv/*.deb'
    is "$(on systemctl is-enabled fence-broker.service fence-broker.socket 2>&1 | sort -u)" disabled
    is "$(on stat -c '%U:%G %a' /etc/fence-broker/fence-broker.conf)" 'root:fence-broker 640'
    on getent group haclient
    refute on systemctl is-active -q fence-broker.socket
    like "$(on fence_broker status 2>&1)" '*fence-broker*'
    on test -s /usr/share/doc/fence-broker/book/30-levels.md
    on sh -c 'fence-broker-admin acl --help >/dev/null && man -w fence-broker-admin 2>/dev/null || test -s /usr/share/man/man8/fence-broker-admin.8.gz'
}

@test "README.Debian of both, line by line: by hand and by Pacemaker, guests are fenced (debian/tests/fences, by autopkgtest)" {
    local group
    group=$(on getent group haclient)
    on env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install autopkgtest
    # its tests are for machines that are thrown away, and so is this one
    on sh -c 'autopkgtest --ignore-restrictions=isolation-container,breaks-testbed --no-built-binaries /srv/*.deb /srv/source/ -- null'
    # Pacemaker, which came with the test, took the group that there was
    like "$(on getent group haclient)" "${group%:*}:*"
}

@test "an upgrade in the middle of an off and a reboot: both end well, and nobody who asks is refused" {
    local before name daemon
    # the next version: the same programs under another number
    for name in fence-broker fence-broker-sim; do
        on sh -c "dpkg-deb -R /srv/${name}_*.deb /srv/next/tree && sed -i 's/^Version: .*/&+next/' /srv/next/tree/DEBIAN/control &&
            dpkg-deb --root-owner-group -b /srv/next/tree /srv/next/$name.deb >/dev/null && rm -r /srv/next/tree"
    done
    # the one ends while the old daemon waits for it, the other one takes longer than that
    sim_ctl set 103 stop-ms=3000
    sim_ctl set 102 stop-ms=9000
    daemon=$(broker_pid)
    before=$(guest_in 103)
    upgrade() {
        on_begin reboot fence_broker reboot node3
        on_begin off fence_broker off node2
        await 20 stop_was_sent_since 103
        await 20 stop_was_sent_since 102
        on dpkg -i /srv/next/fence-broker.deb /srv/next/fence-broker-sim.deb
        on_end reboot
        echo "# $out" >&3
        is "$status" 0
        on_end off
        echo "# $out" >&3
        is "$status" 0
    }
    stops_102=$(stops_of 102) stops_103=$(stops_of 103)
    stop_was_sent_since() {
        local so_far=stops_$1
        (($(stops_of "$1") > ${!so_far}))
    }
    under_load upgrade
    await 20 guest_is_another 103 "$before"
    is "$(guest_in 102)" ''
    like "$(on dpkg-query -W -f '${Version}' fence-broker)" '*+next'
    [[ $(broker_pid) != "$daemon" && $(broker_pid) -gt 0 ]]
}

@test "back to the version before, in the middle of a fence by Pacemaker: the same" {
    local before daemon
    sim_ctl set 102 stop-ms=300
    on fence_broker on node2
    daemon=$(broker_pid)
    before=$(guest_in 103)
    stops=$(stops_of 103)
    sent() { (($(stops_of 103) > stops)); }
    downgrade() {
        on_begin reboot stonith_admin --reboot node3
        await 30 sent
        on sh -c 'apt-get -qq -y --allow-downgrades install /srv/*.deb'
        on_end reboot
        is "$status" 0
    }
    under_load downgrade
    await 20 guest_is_another 103 "$before"
    unlike "$(on dpkg-query -W -f '${Version}' fence-broker)" '*+next'
    [[ $(broker_pid) != "$daemon" && $(broker_pid) -gt 0 ]]
    await 20 could_fence
}

@test "purge leaves the users, and what the administrator started by hand, and nothing else" {
    on sh -c 'systemctl stop pacemaker corosync; systemctl stop pvesim; rm -rf /srv/pvesim'
    on env DEBIAN_FRONTEND=noninteractive apt-get -qq -y purge fence-broker fence-broker-sim
    on find /etc /usr /var /run -xdev '(' -iname '*fence[-_]broker*' -o -name 'pvesim*' ')' 2>/dev/null | sort >"$MACHINE/left"
    on grep -rIlE 'fence[-_]broker|pvesim' /etc /usr /var /run 2>/dev/null | sort >"$MACHINE/told"
    sed 's/^/# left by name: /' "$MACHINE/left" >&3
    sed 's/^/# left in words: /' "$MACHINE/told" >&3
    is "$(grep -v -e '^/var/lib/dpkg/' -e '^/var/cache/' -e '^/var/log/' "$MACHINE/left" || true)" ''
    # the users; what Pacemaker was told; what apt, dpkg and the journal write down
    is "$(grep -v -e '^/etc/\(passwd\|group\|shadow\|gshadow\)-\?$' -e '^/var/lib/pacemaker/' -e '^/var/lib/dpkg/' -e '^/var/lib/apt/' -e '^/var/cache/' \
        -e '^/var/log/' "$MACHINE/told" || true)" ''
    on getent passwd fence-broker
    is "$(on systemctl list-units --all --plain --no-legend 'fence-broker*' | awk '$2 != "not-found"')" ''
}

play() { on sh -c 'cd /srv/examples && exec ansible-playbook -i inventory -e @vars.json ansible.yml'; }

@test "the Ansible playbook of doc/examples, from nothing to a monitor that succeeds; again, it changes nothing" {
    local deb
    deb=$(on sh -c 'cd /srv && echo fence-broker_*.deb')
    on env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install ansible-core python3-apt
    on sh -c 'dpkg -x /srv/fence-broker-sim_*.deb /srv/sim && cp -r /srv/sim/usr/share/fence-broker-sim /srv/pvesim && chmod 600 /srv/pvesim/secrets'
    on systemd-run -q --unit=pvesim /srv/sim/usr/bin/pvesim --dir /srv/pvesim
    await 20 on /srv/sim/usr/bin/pvesim ctl /srv/pvesim guests
    # what its head asks for: the two files, the secret, the nodes
    on sh -c 'mkdir /srv/examples/files && cp /srv/fence-broker_*.deb /srv/pvesim/pve-root-ca.pem /srv/examples/files/'
    on sh -c 'printf "[cluster]\nlocalhost ansible_connection=local ansible_become=false\n" >/srv/examples/inventory'
    on python3 -c 'import json, sys; json.dump({"fence_broker_package": sys.argv[1], "fence_broker_configuration": open("/srv/pvesim/fence-broker.conf").read(),
        "fence_broker_secret": open("/srv/pvesim/secrets").read().split()[-1]}, open("/srv/examples/vars.json", "w"))' "$deb"
    run play
    echo "$output" >&2
    is "$status" 0
    like "$output" '*ok=*changed=*unreachable=0*failed=0*'
    like "$(on fence_broker -o monitor)" ''
    on fence_broker off node2
    is "$(on stat -c '%U:%G %a' /etc/fence-broker/secret)" 'root:fence-broker 640'
    run play
    is "$status" 0
    like "$output" '*changed=0 *unreachable=0*failed=0*'
    on systemctl is-enabled -q fence-broker.service fence-broker.socket fence-broker-metrics.socket
}
