# A machine of its own for a file of tests: systemd as PID 1, pvesim with guests, the broker as `make install` leaves it. It knows how
# such a machine is made, entered and ended, and nothing of what a test wants to see.
#
#   setup_file()    { machine_start; }        one machine for all tests of a file: they go in their order
#   teardown_file() { machine_stop; }
#   setup()         { machine_needed; }
#   @test "…"       { on systemctl is-active fence-broker; }
#
# MACHINE is its folder here. A file may define machine_prepare (given the root directory, before the boot).
# shellcheck shell=bash

# shellcheck source=../e2e/fence.bash
source "$BATS_TEST_DIRNAME/../e2e/fence.bash"

TOTP_SECRET=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP

machine_why_not() {
    [[ $(id -u) == 0 ]] || { echo "a machine needs root"; return; }
    [[ -n $(type -P systemd-nspawn) ]] || { echo "systemd-nspawn is not here (package systemd-container)"; return; }
    [[ -x /lib/systemd/systemd ]] || { echo "systemd is not here"; return; }
    unshare -m true 2>/dev/null || echo "no mount namespaces here"
}

machine_start() {
    local why
    ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    BUILD=${BUILD:-build}
    [[ $BUILD == /* ]] || BUILD=$ROOT/$BUILD
    MACHINE=$(mktemp -d "${TMPDIR:-/tmp}/fence-broker-machine.XXXXXX")
    export ROOT BUILD MACHINE
    why=$(machine_why_not)
    [[ -z $why ]] || { echo "$why" >"$MACHINE/why-not"; return 0; }
    export -f machine_install machine_proxmox machine_configure
    declare -F machine_prepare >/dev/null && export -f machine_prepare
    printf '%s\n' '#!/bin/bash' 'set -eu' 'machine_install "$1"' 'machine_proxmox "$1"' \
        '! declare -F machine_prepare >/dev/null || machine_prepare "$1"' >"$MACHINE/prepare"
    chmod 755 "$MACHINE" "$MACHINE/prepare"
    spawn "$MACHINE/console" unshare -m -- "$ROOT/tests/systemd/machine" "$MACHINE" "$MACHINE/prepare" "fb-${MACHINE##*.}"
    echo "$SPAWNED" >"$MACHINE/nspawn"
    await 60 machine_is_up_or_gone
    machine_is_up || { tail -n 40 "$MACHINE/console" "$MACHINE/console.err" >&2; return 1; }
}

# the machine's PID 1, as it is called here: a child or grandchild of nspawn's
machine_init() {
    local nspawn child grandchild
    nspawn=$(<"$MACHINE/nspawn")
    has_ended "$nspawn" && return 1
    for child in $(cat "/proc/$nspawn"/task/*/children 2>/dev/null); do
        for grandchild in $child $(cat "/proc/$child"/task/*/children 2>/dev/null); do
            if [[ $(cat "/proc/$grandchild/comm" 2>/dev/null) == systemd ]] &&
                awk '/^NSpid:/ { exit !(NF > 2 && $NF == 1) }' "/proc/$grandchild/status"; then
                echo "$grandchild"
                return 0
            fi
        done
    done
    return 1
}

machine_is_up() {
    [[ -s $MACHINE/init ]] || machine_init >"$MACHINE/init" || return 1
    [[ $(on systemctl is-system-running 2>/dev/null) == @(running|degraded) ]]
}

machine_is_up_or_gone() { machine_is_up || has_ended "$(<"$MACHINE/nspawn")"; }

# a stopped or failed machine must not look like one where all went well
machine_needed() {
    [[ ! -e $MACHINE/why-not ]] || missing "$(<"$MACHINE/why-not")"
}

# on COMMAND…: in the machine
on() {
    nsenter -t "$(<"$MACHINE/init")" -m -u -i -n -p -C -r -w -- /usr/bin/env -i \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb LC_ALL=C.UTF-8 HOME=/root SYSTEMD_PAGER= "$@"
}

# on_begin NAME COMMAND…: the same, in the background; on_end NAME waits, and sets status and out
on_begin() {
    local name=$1
    shift
    on "$@" </dev/null >"$MACHINE/$name.out" 2>&1 3>&- &
    echo $! >"$MACHINE/$name.pid"
}
on_end() {
    status=0
    wait "$(<"$MACHINE/$1.pid")" || status=$?
    out=$(<"$MACHINE/$1.out")
}

machine_stop() {
    local nspawn
    [[ -n ${MACHINE:-} ]] || return 0
    if [[ -s $MACHINE/nspawn ]]; then
        nspawn=$(<"$MACHINE/nspawn")
        # "halt", to PID 1; what does not end is ended
        [[ ! -s $MACHINE/init ]] || kill -s RTMIN+3 "$(<"$MACHINE/init")" 2>/dev/null || true
        await 30 has_ended "$nspawn" || kill -s KILL "$nspawn" 2>/dev/null || true
        wait "$nspawn" 2>/dev/null || true
        # shellcheck disable=SC2016
        unshare -m -- bash -c 'mount --make-rprivate / && mount -t cgroup2 cgroup2 /sys/fs/cgroup &&
            [[ ! -d $1 ]] || find "$1" -depth -type d -exec rmdir {} +' - "/sys/fs/cgroup/fb-${MACHINE##*.}" || true
    fi
    rm -rf "$MACHINE"
}

# ---- what is in it ----

# machine_install ROOT: as a packager or administrator does it
machine_install() {
    local root=$1
    # the programs are there already; with -o they are taken as they are
    make -s -C "$ROOT" -o all "B=$BUILD" install DESTDIR="$root" prefix=/usr sysconfdir=/etc
    # the secret is root's alone: systemd hands it over
    mkdir -p "$root/etc/systemd/system/fence-broker.service.d"
    printf '[Service]\nLoadCredential=proxmox-secret:/etc/fence-broker/secret\n' \
        >"$root/etc/systemd/system/fence-broker.service.d/secret.conf"
    (umask 077 && echo 11111111-2222-3333-4444-555555555555 >"$root/etc/fence-broker/secret")
    machine_configure "$root/etc/fence-broker/fence-broker.conf"
    systemctl -q --root="$root" enable fence-broker.socket fence-broker-metrics.socket fence-broker.service
}

# machine_configure FILE [LINE-OF-THE-PROXMOX-SECTION…]
machine_configure() {
    local file=$1
    shift
    (($#)) || set -- 'token-id = fence@pve!broker'
    cat >"$file" <<-END
	[proxmox]
	endpoint = pve1:8006
	endpoint = 127.0.0.1:8007 as pve2
	ca-file = /srv/pvesim/pve-root-ca.pem
	pool = nfs_cluster
	poll-interval = 1s
	$(printf '%s\n' "$@")
	END
}

# machine_proxmox ROOT: three hosts, two of them with an API endpoint, and the guests that are the nodes
machine_proxmox() {
    local root=$1
    install -m 0755 "$BUILD/pvesim" "$root/usr/local/bin/pvesim"
    mkdir -p "$root/srv/pvesim"
    echo '127.0.0.1 localhost pve1' >"$root/etc/hosts"
    cat >"$root/srv/pvesim/user.cfg" <<-END
	user:fence@pve:1:0::::::
	user:operator@pve:1:0::::::
	token:fence@pve!broker:0:1::
	pool:nfs_cluster::101,102,103::
	role:FenceBroker:VM.PowerMgmt,VM.Audit,Pool.Audit:
	acl:1:/pool/nfs_cluster:fence@pve,operator@pve,fence@pve!broker:FenceBroker:
	END
    printf '%s\n' 'fence@pve!broker 11111111-2222-3333-4444-555555555555' 'operator@pve five-hosts-and-a-switch' \
        'totp operator@pve JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP' >"$root/srv/pvesim/secrets"
    cat >"$root/srv/pvesim/cluster.conf" <<-END
	version 9.2.11
	node pve1
	node pve2
	node pve3
	listen pve1 127.0.0.1:8006
	listen pve2 127.0.0.1:8007
	guest 101 qemu pve1 node1 running=1
	guest 102 qemu pve2 node2 running=1
	guest 103 qemu pve3 node3 running=1
	guest 200 qemu pve1 stranger running=1
	END
    cat >"$root/etc/systemd/system/pvesim.service" <<-'END'
	[Unit]
	Description=A Proxmox VE to try things on
	Before=fence-broker.service

	[Service]
	Type=exec
	ExecStart=/usr/local/bin/pvesim --dir /srv/pvesim --scale 0.1
	ExecStartPost=/bin/sh -c 'until pvesim ctl /srv/pvesim guests >/dev/null 2>&1; do sleep 0.02; done'
	TimeoutStopSec=5s

	[Install]
	WantedBy=multi-user.target
	END
    systemctl -q --root="$root" enable pvesim.service
}

sim_ctl() { on pvesim ctl /srv/pvesim "$@"; }
guest_in() { sim_ctl guests | sed -nE "s/^$1 .* running pid=([0-9]+) .*/\\1/p"; }
guest_is_another() { [[ -n $(guest_in "$1") && $(guest_in "$1") != "$2" ]]; }

# ---- what a test asks ----

broker_pid() { on systemctl show --value -p MainPID fence-broker.service; }
broker_is() { [[ $(on systemctl show --value -p "$1" "${3:-fence-broker.service}") == "$2" ]]; }
could_fence() { on fence_broker -o monitor -q; }

# journal_has TEXT [UNIT]: said by the daemon, or by systemd about it
journal_has() { on journalctl -q --no-pager -o cat -u "${2:-fence-broker.service}" | grep -qF -- "$1"; }
