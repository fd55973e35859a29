# The files of a cluster under test: pvesim's directory, and the disk of each node with corosync.conf, Pacemaker's CIB and the broker's configuration.
# Knows the addresses and names of everything, and starts nothing. CLUSTER_DIR is the directory of all.
#
# node1 … nodeN are the guests 101 … 100+N on the hosts pve1 … pveN. The nodes talk to each other over 10.99.0.0/24, and to the hosts' API
# over 10.98.0.0/24.
# WITNESSES: the numbers of the hosts on which a guest of Proxmox HA runs that is no node; the brokers then trust HA (dead-host = trust-ha).
# shellcheck shell=bash

TOKEN_SECRET=11111111-2222-3333-4444-555555555555
OPERATOR_PASSWORD=five-hosts-and-a-switch
API_PORT=8006
# corosync takes a silent node for lost after 2.2 times this; long enough for a machine that has other things to do
COROSYNC_TOKEN_MS=${COROSYNC_TOKEN_MS:-1500}

node_names() { seq -f node%.0f "$NODES"; }
number_of() { echo "${1//[!0-9]/}"; }
vmid_of() { echo $((100 + $(number_of "$1"))); }
witness_of() { echo $((110 + $(number_of "$1"))); }
cluster_address() { echo "10.99.0.$(number_of "$1")"; }
api_address() { echo "10.98.0.$(number_of "$1")"; }
host_address() { echo "10.98.0.$((100 + $(number_of "$1")))"; }
disk_of() { echo "$CLUSTER_DIR/nodes/$1"; }

# hosts and guests. Three hosts in any case: two nodes do not mean that Proxmox has no majority.
write_sim() {
    local i
    mkdir -p "$SIM"
    {
        echo 'version 9.2.11'
        for i in 1 2 3; do
            printf 'node pve%d\nlisten pve%d %s:%d\n' "$i" "$i" "$(host_address "pve$i")" "$API_PORT"
        done
        echo "command exec '$CLUSTER_HERE/node'"
        for ((i = 1; i <= NODES; i++)); do
            echo "guest $((100 + i)) qemu pve$i node$i running=1 stop-ms=$STOP_MS start-ms=$START_MS"
        done
        for i in ${WITNESSES:-}; do
            echo "guest $(witness_of "$i") qemu pve$i witness$i running=1 ha=started cmd=exec sleep infinity"
        done
    } >"$SIM/cluster.conf"
    cat >"$SIM/user.cfg" <<-END
	user:fence@pve:1:0::::::
	user:operator@pve:1:0::::::
	token:fence@pve!broker:0:1::
	pool:cluster::101,102,103::
	role:FenceBroker:VM.PowerMgmt,VM.Audit,Pool.Audit:
	acl:1:/pool/cluster:fence@pve,operator@pve,fence@pve!broker:FenceBroker:
	END
    [[ -z ${WITNESSES:-} ]] || printf '%s\n' 'role:FenceBrokerHA:Sys.Audit:' 'acl:0:/:fence@pve,fence@pve!broker:FenceBrokerHA:' >>"$SIM/user.cfg"
    (umask 077 && printf '%s\n' "fence@pve!broker $TOKEN_SECRET" "operator@pve $OPERATOR_PASSWORD" >"$SIM/secrets")
}

write_corosync() {
    local name two=''
    ((NODES != 2)) || two=$'\n    two_node: 1\n    wait_for_all: 1'
    cat <<-END
	totem {
	    version: 2
	    cluster_name: fence-broker-test
	    transport: knet
	    crypto_cipher: none
	    crypto_hash: none
	    token: $COROSYNC_TOKEN_MS
	}
	logging {
	    to_logfile: yes
	    logfile: /var/log/corosync.log
	    to_syslog: no
	    to_stderr: no
	    timestamp: hires
	}
	quorum {
	    provider: corosync_votequorum$two
	}
	nodelist {
	END
    for name in $(node_names); do
        printf '    node {\n        name: %s\n        nodeid: %s\n        ring0_addr: %s\n    }\n' "$name" "$(number_of "$name")" "$(cluster_address "$name")"
    done
    echo '}'
}

write_broker() {
    local i
    echo '[proxmox]'
    for i in 1 2 3; do
        echo "endpoint = $(host_address "pve$i"):$API_PORT as pve$i"
    done
    cat <<-END
	token-id = fence@pve!broker
	secret-file = $CLUSTER_DIR/secret
	ca-file = $SIM/pve-root-ca.pem
	pool = cluster
	poll-interval = 5s

	[socket]
	group = haclient

	[state]
	directory = $(disk_of "$1")/state
	END
    [[ -z ${WITNESSES:-} ]] || printf '\n[fence]\ndead-host = trust-ha\n'
}

# write_cib DEVICES-XML: a service, and what fences. freeze: a node that has lost its cluster does not stop what it runs, so that nothing but
# fencing can make it stop; the default, stop, only makes it stop sooner.
write_cib() {
    cat <<-END
	<cib crm_feature_set="3.0.14" validate-with="pacemaker-3.7" admin_epoch="0" epoch="1" num_updates="0">
	 <configuration>
	  <crm_config><cluster_property_set id="options">
	   <nvpair id="options-fencing" name="stonith-enabled" value="true"/>
	   <nvpair id="options-timeout" name="stonith-timeout" value="60s"/>
	   <nvpair id="options-quorum" name="no-quorum-policy" value="freeze"/>
	   <nvpair id="options-dc" name="dc-deadtime" value="2s"/>
	  </cluster_property_set></crm_config>
	  <nodes/>
	  <resources>
	   $1
	   <primitive id="service" class="ocf" provider="fence-broker-test" type="service">
	    <operations>
	     <op id="service-start" name="start" interval="0" timeout="60s"/>
	     <op id="service-stop" name="stop" interval="0" timeout="60s"/>
	     <op id="service-monitor" name="monitor" interval="10s" timeout="60s"/>
	    </operations>
	   </primitive>
	  </resources>
	  <constraints/>
	  <rsc_defaults><meta_attributes id="defaults"><nvpair id="defaults-stay" name="resource-stickiness" value="100"/></meta_attributes></rsc_defaults>
	  ${TOPOLOGY:-}
	 </configuration>
	 <status/>
	</cib>
	END
}

# device ID AGENT [KEY=VALUE…]
device() {
    local item
    printf '<primitive id="%s" class="stonith" type="%s">' "$1" "$2"
    if (($# > 2)); then
        printf '<instance_attributes id="%s-parameters">' "$1"
        for item in "${@:3}"; do
            printf '<nvpair id="%s-%s" name="%s" value="%s"/>' "$1" "${item%%=*}" "${item%%=*}" "${item#*=}"
        done
        printf '</instance_attributes>'
    fi
    printf '<operations><op id="%s-start" name="start" interval="0" timeout="60s"/><op id="%s-monitor" name="monitor" interval="30s" timeout="60s"/></operations></primitive>' \
        "$1" "$1"
}

# write_disk NODE: the node as it was installed
write_disk() {
    local disk
    disk=$(disk_of "$1")
    rm -rf "$disk"
    mkdir -p "$disk/etc/corosync" "$disk/var/lib/corosync" "$disk/var/log/pacemaker" "$disk/var/lib/pacemaker"/{cib,pengine,cores,blackbox}
    mkdir -m 750 "$disk/state"
    write_corosync >"$disk/etc/corosync/corosync.conf"
    write_broker "$1" >"$disk/fence-broker.conf"
    write_cib "$DEVICES" >"$disk/var/lib/pacemaker/cib/cib.xml"
    chown -R hacluster:haclient "$disk/var/lib/pacemaker" "$disk/var/log/pacemaker"
    chmod -R u=rwX,g=rX,o= "$disk/var/lib/pacemaker"
    chmod 770 "$disk/var/log/pacemaker"
    chmod 640 "$disk/fence-broker.conf"
}
