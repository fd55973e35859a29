# A cluster of one node, for tests of Pacemaker's real fencer: Corosync, the CIB manager and the fencer, and nothing else. (Pacemaker 3 has
# no fencer that stands alone.) Needs namespaces of its own: all that it mounts and starts ends with them.
# shellcheck shell=bash

# node_prepare: empty places for all that these programs write
node_prepare() {
    local place
    unset CIB_file COROSYNC_MAIN_CONFIG_FILE
    for place in /run /dev/shm /etc/corosync /var/log /var/lib/corosync /var/lib/pacemaker; do
        mount -t tmpfs -o mode=755 tmpfs "$place"
    done
    chmod 1777 /dev/shm
    mkdir -p /run/crm /run/lock /var/log/pacemaker /var/lib/pacemaker/{blackbox,cib,cores}
    chown hacluster:haclient /run/crm /var/log/pacemaker /var/lib/pacemaker /var/lib/pacemaker/*
    ip link set lo up
    hostname fenced-test
}

# node_corosync DIRECTORY [NAME [ID]]: Corosync; its log and output are in DIRECTORY
node_corosync() {
    cat >/etc/corosync/corosync.conf <<-END
	totem {
	    version: 2
	    cluster_name: fence-broker-test
	    transport: udpu
	}
	logging {
	    to_logfile: yes
	    logfile: $1/corosync.log
	    to_syslog: no
	    to_stderr: no
	}
	quorum {
	    provider: corosync_votequorum
	}
	nodelist {
	    node {
	        name: ${2:-fenced-test}
	        nodeid: ${3:-1}
	        ring0_addr: 127.0.0.1
	    }
	}
	END
    corosync -f >"$1/corosync.out" 2>&1 &
    node_await corosync-cfgtool -s
}

# node_start DIRECTORY: sets FENCER, its process; logs and output of all three are in DIRECTORY
node_start() {
    node_corosync "$1"
    PCMK_logfile="$1/based.log" /usr/lib/pacemaker/pacemaker-based >"$1/based.out" 2>&1 &
    node_await cibadmin --query # the fencer asks for it once a second
    /usr/lib/pacemaker/pacemaker-fenced --logfile "$1/fenced.log" >"$1/fenced.out" 2>&1 &
    # shellcheck disable=SC2034 # for whoever sources this
    FENCER=$!
}

# node_await COMMAND…: until it succeeds
node_await() {
    local tries
    for ((tries = 0; tries < 600; tries++)); do
        ! "$@" >/dev/null 2>&1 || return 0
        read -r -t 0.05 <> <(:) || true
    done
    echo "no answer: $*" >&2
    return 1
}
