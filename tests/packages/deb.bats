#!/usr/bin/env bats
# The Debian packages as an administrator meets them: installed on a machine that has systemd and Pacemaker, set up as their README.Debian says,
# fencing, upgraded in the middle of it, and purged. DEBS is the folder of the packages, MACHINE_LOWER a root of their release (packaging/deb/try).
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
machine_install() { cp "$DEBS"/*.deb "$ROOT/debian/tests/fences" "$1/srv/"; }
machine_proxmox() { systemctl -q --root="$1" disable corosync.service pacemaker.service; }

files_of_ours() { on find /etc /usr /var /run -xdev '(' -name '*fence-broker*' -o -name '*fence_broker*' -o -name 'pvesim*' ')' ! -path '/var/lib/systemd/coredump/*' 2>/dev/null | sort; }

@test "they install where nothing of them was, and nothing runs that is not configured" {
    on apt-get -qq -y --no-install-recommends install $(cd "$DEBS" && ls ./*.deb | sed 's|^\.|/srv|')
    is "$(on systemctl is-enabled fence-broker.service fence-broker.socket 2>&1 | sort -u)" disabled
    is "$(on stat -c '%U:%G %a' /etc/fence-broker/fence-broker.conf)" 'root:fence-broker 640'
    on getent group haclient
    refute on systemctl is-active -q fence-broker.socket
    like "$(on fence_broker status 2>&1)" '*fence-broker*'
}

@test "README.Debian of both, line by line: by hand and by Pacemaker, guests are fenced (debian/tests/fences)" {
    on /srv/fences
}

@test "an upgrade in the middle of a reboot: it ends well, and nobody who asks is refused" {
    local before name daemon
    # the next version: the same programs under another number
    for name in fence-broker fence-broker-sim; do
        on sh -c "dpkg-deb -R /srv/${name}_*.deb /srv/next && sed -i 's/^Version: .*/&+next/' /srv/next/DEBIAN/control &&
            dpkg-deb --root-owner-group -b /srv/next /srv/next-$name.deb >/dev/null && rm -r /srv/next"
    done
    sim_ctl set 103 stop-ms=4000
    sim_ctl stats reset
    daemon=$(broker_pid)
    before=$(guest_in 103)
    on_begin asked sh -c 'i=0; while [ ! -e /run/enough ]; do fence_broker -o monitor -q || echo refused; i=$((i + 1)); done; echo "$i asked"'
    on_begin reboot fence_broker reboot node3
    await 20 stop_was_sent 103
    on dpkg -i /srv/next-fence-broker.deb /srv/next-fence-broker-sim.deb
    on_end reboot
    is "$status" 0
    await 20 guest_is_another 103 "$before"
    on touch /run/enough
    on_end asked
    like "$out" '*asked'
    unlike "$out" '*refused*'
    like "$(on dpkg-query -W -f '${Version}' fence-broker)" '*+next'
    [[ $(broker_pid) != "$daemon" && $(broker_pid) -gt 0 ]]
}

@test "purge leaves the users, and what the administrator started by hand, and nothing else" {
    on sh -c 'systemctl stop pacemaker corosync; systemctl stop pvesim; rm -rf /srv/pvesim'
    on apt-get -qq -y purge fence-broker fence-broker-sim
    files_of_ours >"$MACHINE/left"
    cat "$MACHINE/left"
    is "$(grep -v -e '^/var/lib/dpkg/' -e '^/var/cache/' -e '^/var/log/' "$MACHINE/left" || true)" ''
    on getent passwd fence-broker
    is "$(on systemctl list-units --all --plain --no-legend 'fence-broker*' | awk '$2 != "not-found"')" ''
}
