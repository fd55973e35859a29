#!/usr/bin/env bats
# The broker where it belongs: beside corosync and pacemaker, all of them started by systemd, and the resource made with crm. A cluster of one
# node; tests/cluster has whole ones.
# shellcheck disable=SC2034,SC2154

source "$BATS_TEST_DIRNAME/machine.bash"

setup_file() { machine_start; }
teardown_file() { machine_stop; }
setup() {
    machine_needed
    [[ -x /usr/sbin/crm && -x /usr/sbin/corosync && -x /usr/sbin/pacemakerd ]] || missing "crmsh, corosync or pacemaker is not here"
}
teardown() {
    [[ -n ${BATS_TEST_COMPLETED:-} || -e ${MACHINE:-}/why-not ]] || {
        on crm_mon -1 -r -f
        echo '--- the journal'
        on journalctl -q --no-pager -n 60 -o short-monotonic -u fence-broker -u pacemaker -u corosync
    } >&2
}

# a node of that name, alone in its cluster
machine_prepare() {
    local root=$1
    cat >"$root/etc/corosync/corosync.conf" <<-END
	totem {
	  version: 2
	  cluster_name: one
	  transport: udpu
	}
	nodelist {
	  node {
	    ring0_addr: 127.0.0.1
	    name: node1
	    nodeid: 1
	  }
	}
	quorum {
	  provider: corosync_votequorum
	}
	logging {
	  to_syslog: yes
	}
	END
    rm -rf "$root"/var/lib/pacemaker/cib/* "$root"/var/lib/corosync/*
    # it need not wait for other nodes
    cat >"$root/var/lib/pacemaker/cib/cib.xml" <<-END
	<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.7" epoch="1" num_updates="0" admin_epoch="0">
	<configuration><crm_config><cluster_property_set id="cib-bootstrap-options">
	<nvpair id="deadtime" name="dc-deadtime" value="2s"/>
	</cluster_property_set></crm_config><nodes/><resources/><constraints/></configuration><status/></cib>
	END
    chown hacluster:haclient "$root/var/lib/pacemaker/cib/cib.xml"
    chmod 640 "$root/var/lib/pacemaker/cib/cib.xml"
    systemctl -q --root="$root" enable corosync.service pacemaker.service
}

cluster_is_up() { journal_has '-> S_IDLE' pacemaker.service; }
# resource_is NODE [RESOURCE]
resource_is() { [[ $(on crm_resource --resource "${2:-fencing}" --locate 2>&1) == "resource ${2:-fencing} is running on: $1"* ]]; }
entered() { on systemctl show --value -p "$2" "$1"; }

@test "at boot the broker is ready before pacemaker starts" {
    await 60 cluster_is_up
    (($(entered fence-broker.service ActiveEnterTimestampMonotonic) <= $(entered pacemaker.service InactiveExitTimestampMonotonic)))
}

@test "crm makes the resource, as the README says; it runs, and is monitored" {
    on crm configure primitive fencing stonith:fence_broker params pcmk_reboot_timeout=300s pcmk_off_timeout=300s op monitor interval=60s
    # after it: crm 5 takes no property for a cluster that has nothing to fence with
    on crm configure property stonith-enabled=true no-quorum-policy=ignore
    await 60 resource_is node1
    like "$(on stonith_admin --list-targets fencing | sort | tr '\n' ' ')" *node1*node2*node3*
    refute cluster_lists_failure fencing
    on stonith_admin --query fencing
}

@test "stonith_admin --reboot: the guest dies, lives again, and the broker's history has it" {
    local before
    before=$(guest_in 102)
    on stonith_admin --reboot node2
    await 30 guest_is_another 102 "$before"
    like "$(on fence_broker history)" *node2*reboot*done*
    like "$(on stonith_admin --history node2)" '*reboot of node2 successful*'
}

@test "stonith_admin --fence while the broker restarts: done" {
    sim_hold stop 103
    on_begin fence stonith_admin --fence node3
    sim_held 103
    on systemctl --no-block restart fence-broker.service
    await 30 broker_is ActiveState deactivating
    sim_release 103
    on_end fence
    is "$status" 0
    sim_ctl wait 103 stopped
}

@test "a monitor fails in the cluster when nothing could be fenced; when something could, cleanup is all it takes" {
    on crm configure primitive quick stonith:fence_broker op monitor interval=2s
    await 30 resource_is node1 quick
    sim_ctl fault refuse
    await 60 cluster_lists_failure "* quick "
    sim_ctl clear
    await 60 could_fence
    on crm resource cleanup quick
    await 60 resource_is node1 quick
}
cluster_lists_failure() { on crm_mon -1 2>&1 | sed -n '/Failed/,$p' | grep -qF -- "$1"; }

@test "when all of it is stopped pacemaker goes first, and the broker serves it until then" {
    on systemctl stop pacemaker.service fence-broker.service corosync.service
    (($(entered pacemaker.service InactiveEnterTimestampMonotonic) <= $(entered fence-broker.service ActiveExitTimestampMonotonic)))
}
