#!/usr/bin/env bats
# doctor's look at Pacemaker: Pacemaker's own tools on a CIB in a file, and the real broker. Each finding is there, and gone after the line
# that doctor printed was run.
# shellcheck disable=SC2034,SC2154

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
    command -v cibadmin >/dev/null || missing "cibadmin is not installed"
    export CIB_file=$T/cib.xml COROSYNC_MAIN_CONFIG_FILE=$T/corosync.conf
    cibadmin --empty >"$CIB_file"
    printf '%s\n' 'quorum {' '    provider: corosync_votequorum' '    two_node: 1' '}' 'nodelist {' \
        '    node {' '        name: vm101' '    }' '    node {' '        ring0_addr: 102' '    }' '}' >"$COROSYNC_MAIN_CONFIG_FILE"
}
teardown() { fence_teardown; }

# world [SECTION.KEY=VALUE…]: pvesim and the broker, and what a healthy cluster of NODES (default vm101 vm102 vm103) has
world() {
    local node id=0
    [[ -n $SIM_PID ]] || sim_start
    broker_start proxmox.poll-interval=1s fence.deadline=30s "nodes.$(uname -n)=101" "$@"
    crm_attribute -q --type crm_config --name stonith-enabled --update true
    # something else fences a node whose host died
    crm_attribute -q --type crm_config --name have-watchdog --update true
    crm_attribute -q --type crm_config --name stonith-watchdog-timeout --update 10s
    for node in ${NODES:-vm101 vm102 vm103}; do
        cibadmin --create --scope nodes --xml-text "<node id=\"$((++id))\" uname=\"$node\"/>"
    done
}
# device [KEY=VALUE…]: one of our agent with these parameters
device() {
    cibadmin --create --scope resources --xml-text '<primitive id="fencing" class="stonith" type="fence_broker"/>'
    local item
    for item in pcmk_reboot_timeout=90s pcmk_off_timeout=90s "$@"; do
        crm_resource -q --resource fencing --set-parameter "${item%%=*}" --parameter-value "${item#*=}" >/dev/null
    done
}

# doctor: sets status, out (the cluster's part of it) and all
doctor() {
    status=0
    all=$(client doctor 2>&1) || status=$?
    out=$(sed -n '/^cluster$/,$p' <<<"$all")
}
says() { doctor; [[ $out == *"$1"* ]]; }
finds() { says "$1" || { printf 'not found: %s\n%s\n' "$1" "$all" >&2; return 1; }; }
silent() { ! says "$1" || { printf 'found: %s\n%s\n' "$1" "$all" >&2; return 1; }; }
ends() { [[ $status == "$1" ]] || { printf 'exit %s, not %s:\n%s\n' "$status" "$1" "$all" >&2; return 1; }; }
# follow TEXT: runs the line that is to be pasted for the finding with TEXT
follow() {
    local line
    doctor
    line=$(grep -F -A 2 -- "$1" <<<"$out" | sed -n 's/^ *paste: //p' | head -n 1)
    [[ -n $line ]] || { printf 'no line to paste for: %s\n%s\n' "$1" "$out" >&2; return 1; }
    bash -c "$line" >"$T/followed" 2>&1 || { printf 'failed: %s\n' "$line" >&2; cat "$T/followed" >&2; return 1; }
}

@test "a cluster that is set up well is fine, and its exit status is the broker's" {
    world
    device
    doctor
    ends 0
    is "$(grep -c '^  ok ' <<<"$out") $(grep -cE '^  (failure|warning|skipped)' <<<"$out")" "4 0"
    like "$out" "*3 of the cluster's 3 nodes lead to a guest of the pool*"
    client doctor --json >"$T/json"
    is "$(json exit_status <"$T/json")" 0
    like "$(cat "$T/json")" '*{"step":"cluster","level":"ok","message":"fencing is enabled","hint":null,"paste":\[\],"seen_at":null,"seen_age_s":null}*'
}

@test "from nothing to a good set-up by the lines that it prints" {
    NODES="vm101 vm102" world
    crm_attribute -q --type crm_config --name stonith-enabled --update false
    sed -i '/two_node/d' "$COROSYNC_MAIN_CONFIG_FILE"
    finds "failure  stonith-enabled is false: Pacemaker fences nobody"
    ends 1
    follow "stonith-enabled is false"
    silent "stonith-enabled"
    finds "failure  no stonith device runs fence_broker"
    follow "no stonith device"
    silent "no stonith device"
    silent "would kill the agent first"
    finds "warning  two nodes and no delay"
    ends 2
    follow "two nodes and no delay"
    silent "no delay"
    finds "warning  two nodes without two_node"
    follow "two nodes without two_node"
    doctor
    ends 0
    echo 'quorum { wait_for_all: 0' | sed 's/ wait/\n    wait/' >"$T/quorum"
    sed -i -e '/^quorum {/{' -e "r $T/quorum" -e 'd' -e '}' "$COROSYNC_MAIN_CONFIG_FILE"
    finds "warning  wait_for_all is 0"
    follow "wait_for_all is 0"
    doctor
    ends 0
    echo 'quorum { device { model: net } }' | sed 's/[{}]/&\n/g' >"$COROSYNC_MAIN_CONFIG_FILE"
    finds "a quorum device decides"
}

@test "two nodes that Proxmox HA manages: a delay that is shorter than its fence decides nothing" {
    sim_guests
    sed -i '/^guest 102/s/$/ ha=started/' "$SIM/cluster.conf"
    NODES="vm101 vm102" world
    device pcmk_reboot_timeout=300s pcmk_off_timeout=300s 'pcmk_delay_base=vm101:5s;vm102:0s'
    finds "warning  Proxmox HA manages vm102, and a fence by it takes up to 95 s"
    crm_resource -q --resource fencing --set-parameter pcmk_delay_base --parameter-value 'vm101:90s vm102:1s' >/dev/null
    crm_attribute -q --type crm_config --name priority-fencing-delay --update 4s
    finds "warning  Proxmox HA manages vm102"
    crm_attribute -q --type crm_config --name priority-fencing-delay --update 5s
    silent "Proxmox HA manages"
    crm_attribute -q --type crm_config --name priority-fencing-delay --update 0s
    follow "Proxmox HA manages vm102"
    finds "ok       one of the two nodes waits before it fences the other"
    crm_resource -q --resource fencing --set-parameter pcmk_delay_base --parameter-value 'vm101:5s;vm102:0s' >/dev/null
    echo 'quorum { device { model: net } }' | sed 's/[{}]/&\n/g' >"$COROSYNC_MAIN_CONFIG_FILE"
    silent "Proxmox HA manages"
}

@test "without asking the daemon Pacemaker is looked at too, and the deadline is the configuration's" {
    world
    device
    all=$("$BUILD/fence-broker-admin" doctor -c "$CONFIG") || true
    out=$(sed -n '/^cluster$/,$p' <<<"$all")
    like "$out" "*ok       Pacemaker waits 90 s *; the broker ends after at most 30 s*"
    like "$out" "*skipped  not checked which guests the nodes' names lead to: no daemon was asked*"
    sed -i 's/^deadline = .*/deadline = 100s/' "$CONFIG"
    like "$("$BUILD/fence-broker-admin" doctor -c "$CONFIG" || true)" "*warning  Pacemaker waits 90 s *may take up to 100 s*"
}

@test "time-outs below the deadline, below a hung guest's 71 s, and below what HA takes" {
    sim_guests
    sed -i '/^guest 103/s/$/ ha=started/' "$SIM/cluster.conf"
    world
    device pcmk_reboot_timeout=20s
    finds "warning  Pacemaker waits 20 s for a reboot by fencing and 90 s for an off, but the broker may take up to 30 s: Pacemaker would kill the agent first; a guest whose QEMU hangs takes 71 s to stop; Proxmox HA, which manages vm103, takes 95 s"
    ends 2
    follow "would kill the agent first"
    silent "would kill the agent first"
    # the default is stonith-timeout
    crm_resource -q --resource fencing --delete-parameter pcmk_off_timeout >/dev/null
    silent "would kill the agent first"
    crm_attribute -q --type crm_config --name stonith-timeout --update 10s
    finds "and 10 s for an off"
    crm_attribute -q --type crm_config --name stonith-timeout --update 2min
    silent "would kill the agent first"
    # which Pacemaker 3.0.2 calls otherwise, and an older one does not know by that name
    fencing_option fencing-timeout 10s
    finds "and 10 s for an off"
    fencing_option dc-version 2.1.5
    silent "would kill the agent first"
    finds "warning  fencing-timeout is 10s, but Pacemaker 2.1.5 does not know that name"
    like "$out" "*paste: crm_attribute --type crm_config --name stonith-timeout --update 10s*"
    fencing_option dc-version 3.0.2
    silent "does not know that name"
    fencing_option fencing-enabled false
    finds "failure  fencing-enabled is false: Pacemaker fences nobody"
    follow "fencing-enabled is false"
    fencing_option stonith-action poweroff
    finds "warning  stonith-action is poweroff, which Pacemaker 3 does not know any more"
}
# fencing_option NAME VALUE: whatever the tool of this machine knows
fencing_option() {
    cibadmin --modify --scope crm_config --xml-text "<crm_config><cluster_property_set id=\"cib-bootstrap-options\"><nvpair id=\"cib-bootstrap-options-$1\" name=\"$1\" value=\"$2\"/></cluster_property_set></crm_config>" --allow-create
}

# pacemaker_says FENCE…: the tools of a cluster that runs here, as node1, with these in its history: TARGET DELEGATE [ACTION [STATUS [SECONDS]]], which
# ended at $WHEN, or so long after it
pacemaker_says() {
    local fence target by action state later
    mkdir -p "$T/tools"
    printf '#!/bin/sh\nCIB_file=%s exec /usr/sbin/cibadmin "$@"\n' "$T/cib.xml" >"$T/tools/cibadmin"
    printf '#!/bin/sh\necho node1\n' >"$T/tools/crm_node"
    printf '#!/bin/sh\n[ "$*" = "--history=* --output-as=xml" ] && cat %s\n' "$T/fences.xml" >"$T/tools/stonith_admin"
    chmod 755 "$T/tools"/*
    {
        echo '<pacemaker-result api-version="2.25" request="stonith_admin"><list name="fencing history" count="1">'
        for fence in "$@"; do
            read -r target by action state later <<<"$fence"
            echo "<fence_event action=\"${action:-reboot}\" target=\"$target\" client=\"c.1\" origin=\"node1\" status=\"${state:-success}\" delegate=\"$by\" completed=\"$(date -u -d "@$((WHEN + ${later:-0}))" '+%F %TZ')\"/>"
        done
        echo '</list><status code="0" message="OK"/></pacemaker-result>'
    } >"$T/fences.xml"
}
# the doctor where that cluster runs
doctor_there() { (
    unset CIB_file
    PATH=$T/tools:$PATH
    doctor
    printf '%s\n' "$out" "exit $status"
); }

@test "what Pacemaker believes to have fenced, and the broker has no evidence of, is a failure; what others fenced is theirs" {
    world
    device
    client off vm101 >/dev/null
    WHEN=$(date +%s)
    # so near to the broker's start, what ended before may be forgotten
    pacemaker_says "vm101 node1" "vm102 node1"
    out=$(doctor_there)
    unlike "$out" "*Pacemaker*believes*"
    like "$out" "*exit 0"
    # its history reaches back further
    broker_stop
    remember_an_hour
    broker_spawn
    await 30 client -o monitor -q
    # Pacemaker does not say which device it was
    pacemaker_says "vm101 node1" "vm102 node1"
    out=$(doctor_there)
    unlike "$out" "*believes*"
    like "$out" "*evidence of 1; vm102 at 20*Z by another device (watchdog)*"
    like "$out" "*exit 0"
    crm_attribute -q --type crm_config --name have-watchdog --update false
    pacemaker_says "vm101 node1" "vm102 NODE1 off" "vm103 node2" "vm103 node1 reboot failed" "vm103 node1 on" "vm103 human"
    out=$(doctor_there)
    like "$out" "*failure  Pacemaker believes vm102 was fenced (off) at 20*Z by fence_broker on node1; the broker here has no evidence of it*"
    like "$out" "*paste: stonith_admin --cleanup --history=vm102*"
    is "$(grep -c believes <<<"$out")" 1
    like "$out" "*ok       of Pacemaker's fences that ran on this node since 20*Z the broker has evidence of 1"*
    like "$out" "*exit 1"
    # what is told twice in a moment is one fence (Pacemaker's duplicates); later it is another one, of which the first proof says nothing
    pacemaker_says "vm101 node1 off success 5" "vm101 node1" "vm101 node1 reboot success 9"
    out=$(doctor_there)
    unlike "$out" "*believes*"
    like "$out" "*evidence of 3"*
    pacemaker_says "vm101 node1 off success 600" "vm101 node1"
    out=$(doctor_there)
    is "$(grep -c believes <<<"$out")" 1
    like "$out" "*failure  Pacemaker believes vm101 was fenced (off) at 20*"
    # a node that fenced itself has no proof of it
    pacemaker_says "vm103 vm103"
    printf '#!/bin/sh\necho vm103\n' >"$T/tools/crm_node"
    out=$(doctor_there)
    unlike "$out" "*believes*"
    like "$out" "*evidence of 0; vm103 at 20*Z by itself"*
    cibadmin --create --scope resources --xml-text '<primitive id="bmc" class="stonith" type="fence_ipmilan"><instance_attributes id="bmc-p"><nvpair id="bmc-p-1" name="pcmk_host_list" value="vm102 bare"/></instance_attributes></primitive>'
    pacemaker_says "vm101 node1" "vm102 node1" "bare node1"
    out=$(doctor_there)
    unlike "$out" "*believes*"
    like "$out" "*evidence of 1; vm102 at 20*Z by another device (bmc); bare at 20*Z by another device (bmc)"*
    rm "$T/fences.xml"
    out=$(doctor_there)
    like "$out" "*skipped  not compared, what Pacemaker has fenced and what the broker has evidence of: stonith_admin: *"
}

# alerted NAME=VALUE…: Pacemaker runs the alert agent on this node, with that in its environment
alerted() {
    sed "s,/usr/sbin/fence-broker-admin,$BUILD/fence-broker-admin," "$ROOT/packaging/pacemaker/alert_fence_broker" >"$T/alert_fence_broker"
    run env -u CIB_file PATH="$T/tools:$PATH" socket="$SOCKET" "$@" sh "$T/alert_fence_broker"
}
fencing() { alerted CRM_alert_kind=fencing CRM_alert_rc="${3:-0}" CRM_alert_node="$1" "CRM_alert_desc=Operation reboot of $1 by $2 for pacemaker-controld.1@node3: OK (ref=4a7c)"; }
unproven() { curl -sS --unix-socket "$METRICS" http://localhost/metrics | sed -n 's/^fence_broker_fences_unproven_total //p'; }

@test "the alert agent has a fence of this node compared with the evidence, and tells of the one without" {
    world
    crm_attribute -q --type crm_config --name have-watchdog --update false
    device
    WHEN=0 pacemaker_says
    client off vm101 >/dev/null
    fencing vm101 node1
    is "$status $output" "0 $(operation id 101)"
    # Pacemaker's duplicates of the same moment
    fencing vm101 node1
    is "$status $output" "0 $(operation id 101)"
    # of others, failed, or no fence at all
    fencing vm102 node2
    is "$status $output" "0 "
    fencing vm102 node1 1
    is "$status $output" "0 "
    alerted CRM_alert_kind=node CRM_alert_node=vm102 CRM_alert_desc=lost CRM_alert_rc=0
    is "$status $output" "0 "
    fencing bare node1
    is "$status $output" "0 "
    # confirmed by a human: no node of that name was it; nor one that whoever asked has named
    printf '#!/bin/sh\necho a\n' >"$T/tools/crm_node"
    fencing vm102 "a human"
    is "$status $output" "0 "
    printf '#!/bin/sh\necho node1\n' >"$T/tools/crm_node"
    fencing vm102 "node2 for x by node1"
    is "$status $output" "0 "
    printf '#!/bin/sh\necho vm102\n' >"$T/tools/crm_node"
    fencing vm102 vm102
    is "$status $output" "0 "
    printf '#!/bin/sh\necho node1\n' >"$T/tools/crm_node"
    # words that are not Pacemaker's
    alerted CRM_alert_kind=fencing CRM_alert_rc=0 CRM_alert_node=vm102 CRM_alert_desc="vm102 was fenced by node1 for x"
    is "$status" 1
    like "$output" "fence-broker-admin: fenced vm102: Pacemaker's words about it cannot be read: vm102 was fenced by node1 for x; compare *"
    alerted CRM_alert_kind=fencing CRM_alert_rc=0 CRM_alert_node=vm102 CRM_alert_desc=
    is "$status" 1
    is "$(unproven)" 0
    fencing vm102 node1
    is "$status $output" "0 no evidence"
    is "$(unproven)" 1
    # what its history does not reach back to, it may have forgotten
    broker_said "Pacemaker believes vm102 (guest 102) was fenced by fence_broker on this node; there is no evidence of it, and of nothing before 20"
    # another device may have been it
    cibadmin --create --scope resources --xml-text '<primitive id="bmc" class="stonith" type="fence_ipmilan"><instance_attributes id="bmc-p"><nvpair id="bmc-p-1" name="pcmk_host_list" value="vm102"/></instance_attributes></primitive>'
    fencing vm102 node1
    is "$status $output" "0 "
    is "$(unproven)" 1
    # a history that reaches back far enough has nothing to excuse
    broker_stop
    remember_an_hour
    broker_spawn
    await 30 client -o monitor -q
    cibadmin --delete --scope resources --xml-text '<primitive id="bmc"/>'
    fencing vm102 node1
    is "$status $output" "0 no evidence"
    broker_said "fenced by fence_broker on this node; there is no evidence of it FENCE_EVENT=fence-unproven"
    # nobody to ask
    broker_stop
    fencing vm101 node1
    is "$status" 1
    like "$output" "fence-broker-admin: fenced vm101: *"
    xmllint --noout <(sh "$T/alert_fence_broker" meta-data) 2>/dev/null || { sh "$T/alert_fence_broker" meta-data; false; }
}

@test "a device of another broker, one that is disabled, and one of another agent" {
    NODES="vm101 vm102 vm103 far201" world
    device
    finds "failure  the node far201 cannot be fenced"
    # it is a guest of the second Proxmox cluster, whose broker has a socket of its own
    cibadmin --create --scope resources --xml-text '<primitive id="fencing-two" class="stonith" type="fence_broker">
        <instance_attributes id="two"><nvpair id="two-socket" name="socket" value="/run/fence-broker/two/broker.sock"/></instance_attributes></primitive>'
    finds "3 of the cluster's 4 nodes lead to a guest of the pool; other devices may fence the rest"
    silent "far201"
    silent "fencing-two"
    cibadmin --delete --xml-text '<primitive id="fencing-two"/>'
    crm_resource -q --resource fencing --meta --set-parameter target-role --parameter-value Stopped >/dev/null
    finds "failure  the device fencing is disabled"
    ends 1
    follow "is disabled"
    silent "is disabled"
    cibadmin --delete --xml-text '<primitive id="fencing"/>'
    cibadmin --create --scope resources --xml-text '<primitive id="ipmi" class="stonith" type="fence_ipmilan"/>'
    finds "no stonith device runs fence_broker; there are other devices"
}

# usual COMMAND…: where the broker listens at the usual place
usual() {
    # shellcheck disable=SC2016
    unshare --mount sh -c 'mount -t tmpfs tmpfs /run && mkdir /run/fence-broker && ln -s "$1" /run/fence-broker/broker.sock && shift && exec "$@"' - "$SOCKET" "$@"
}

@test "a device that names the usual socket and one that names none ask the same broker; what another broker's device did is its own" {
    ((EUID == 0)) || missing "mount namespaces as root"
    world
    crm_attribute -q --type crm_config --name have-watchdog --update false
    device socket=/run/fence-broker/broker.sock pcmk_host_list="vm101 vm103"
    other() {
        cibadmin --create --scope resources --xml-text "<primitive id=\"two\" class=\"stonith\" type=\"fence_broker\"><instance_attributes id=\"two-i\">
            <nvpair id=\"two-i-1\" name=\"pcmk_host_list\" value=\"vm102\"/>$1</instance_attributes></primitive>"
    }
    other ''
    out=$(usual "$BUILD/fence_broker" doctor 2>&1) || true
    like "$out" "*3 of the cluster's 3 nodes lead to a guest of the pool*"
    # of its fences there is evidence here, or none
    WHEN=0 pacemaker_says
    sed "s,/usr/sbin/fence-broker-admin,$BUILD/fence-broker-admin," "$ROOT/packaging/pacemaker/alert_fence_broker" >"$T/alert_fence_broker"
    of_vm102() {
        usual env -u CIB_file PATH="$T/tools:$PATH" CRM_alert_kind=fencing CRM_alert_rc=0 CRM_alert_node=vm102 \
            CRM_alert_desc="Operation off of vm102 by node1 for x.1@node3: OK (ref=1)" sh "$T/alert_fence_broker"
    }
    is "$(of_vm102)" "no evidence"
    cibadmin --delete --xml-text '<primitive id="two"/>'
    # both brokers may fence it: who did, nobody knows here
    crm_resource -q --resource fencing --set-parameter pcmk_host_list --parameter-value "vm101 vm102 vm103" >/dev/null
    is "$(of_vm102)" "no evidence"
    other '<nvpair id="two-i-2" name="socket" value="/run/fence-broker/two/broker.sock"/>'
    is "$(of_vm102)" ""
}

@test "the host map: a guest that is not there, two nodes of one guest, a node that is two guests, a stranger" {
    world nodes.vm103=103
    device "pcmk_host_map=vm101:vm101;vm102:vm101;vm103:102;vm104:120"
    finds "failure  the nodes vm101 and vm102 are one guest: 101 (vm101)"
    ends 1
    finds "failure  the node vm102 leads to two guests: pcmk_host_map maps it to vm101, which is guest 101 (vm101), but to the broker vm102 is guest 102 (vm102)"
    finds "failure  the node vm103 leads to two guests"
    finds "warning  fencing names vm104, which is no node of this cluster"
    crm_resource -q --resource fencing --set-parameter pcmk_host_map --parameter-value "vm101:101 vm102=vm102;vm103:vm999" >/dev/null
    finds "failure  the node vm103 cannot be fenced: pcmk_host_map maps it to vm999, and unknown-plug: "
    silent "are one guest"
    silent "leads to two guests"
    silent "is no node"
    crm_resource -q --resource fencing --set-parameter pcmk_host_map --parameter-value "vm101:101 vm102=vm102;vm103:103,120" >/dev/null
    doctor
    ends 0
}

# static_device ID [KEY=VALUE…]: a device that names its guest itself
static_device() {
    local id=$1 item
    cibadmin --create --scope resources --xml-text "<primitive id=\"$id\" class=\"stonith\" type=\"fence_broker\"/>"
    for item in pcmk_reboot_timeout=90s pcmk_off_timeout=90s "${@:2}"; do
        crm_resource -q --resource "$id" --set-parameter "${item%%=*}" --parameter-value "${item#*=}" >/dev/null
    done
}
set_parameter() { crm_resource -q --resource "$1" --set-parameter "$2" --parameter-value "$3" >/dev/null; }

@test "devices that name their guest themselves: by port and plug, and by the wrong ones" {
    NODES="alpha vm102 vm103" world
    static_device one port=101 pcmk_host_list=alpha
    static_device two port=102 pcmk_host_list=vm102
    static_device three plug=103 pcmk_host_list=vm103
    doctor
    ends 0
    like "$out" "*3 of the cluster's 3 nodes lead to a guest of the pool*"
    set_parameter one port 102
    set_parameter three plug 101
    finds "failure  the nodes alpha and vm102 are one guest: 102 (vm102)"
    ends 1
    finds "failure  the node vm103 leads to two guests: plug of three maps it to 101, which is guest 101 (vm101), but to the broker vm103 is guest 103 (vm103)"
    silent "nodes lead to a guest"
    set_parameter one port 199
    finds "failure  the node alpha cannot be fenced: port of one maps it to 199, and "
    # later versions of Pacemaker fill plug, which comes before port
    set_parameter one port 101
    set_parameter three plug 103
    doctor
    ends 0
    crm_attribute -q --type crm_config --name dc-version --update 3.0.1-1.el10
    finds "failure  the node alpha cannot be fenced: unknown-plug: no guest is called alpha"
}

@test "two devices for one node are both looked at" {
    world
    device
    static_device stray plug=120 pcmk_host_list=vm102
    finds "failure  the node vm102 leads to two guests: plug of stray maps it to 120"
    ends 1
}

@test "a host map with commas between its nodes, with a backslash, and an argument that the agent does not read" {
    world
    device "pcmk_host_map=vm101:101,vm102:102,vm103:103"
    finds "failure  pcmk_host_map of fencing has a comma between nodes"
    ends 1
    silent "which is no node"
    silent "nodes lead to a guest"
    # a daemon is not needed to see it
    like "$("$BUILD/fence_broker" doctor --socket "$T/no.sock" 2>&1 || true)" "*failure  pcmk_host_map of fencing has a comma between nodes*"
    follow "has a comma between nodes"
    is "$(crm_resource -q --resource fencing --get-parameter pcmk_host_map)" "vm101:101;vm102:102;vm103:103"
    doctor
    ends 0
    set_parameter fencing pcmk_host_map 'vm101:vm\101;vm102:102;vm103:103'
    finds "warning  pcmk_host_map of fencing has a backslash"
    ends 2
    follow "has a backslash"
    doctor
    ends 0
    set_parameter fencing pcmk_host_argument vmid
    finds "warning  pcmk_host_argument of fencing is vmid, which fence_broker does not read"
    ends 2
    cibadmin --create --scope nodes --xml-text '<node id="9" uname="alpha"/>'
    set_parameter fencing pcmk_host_map 'vm101:101;vm102:102;vm103:103;alpha:120'
    finds "failure  the node alpha cannot be fenced: unknown-plug: no guest is called alpha"
    ends 1
    follow "pcmk_host_argument of fencing is vmid"
    doctor
    ends 0
}

@test "a node without a guest, one that only its short name leads to, and one that is left out of the list" {
    sim_guests
    sed -i 's/^guest 102 qemu pve2 vm102/&.example.com/' "$SIM/cluster.conf"
    NODES="vm101 vm102 nobody" world
    device
    finds "failure  the node nobody cannot be fenced: unknown-plug: no guest is called nobody"
    finds "failure  Pacemaker finds no device for the node vm102: the broker knows it (guest 102, vm102.example.com), but not by exactly this name"
    like "$out" "*paste: *sed -i '/^\\\\\[nodes\\\\\]/a vm102 = 102' /etc/fence-broker/fence-broker.conf*"
    sed -i '/^\[nodes\]/a vm102 = 102\nnobody = 103' "$CONFIG"
    broker_reload
    await 30 fine
    crm_resource -q --resource fencing --set-parameter pcmk_host_list --parameter-value "vm101,nobody" >/dev/null
    finds "failure  Pacemaker finds no device for the node vm102: it is not in the list of fencing"
    follow "not in the list of fencing"
    doctor
    ends 0
    crm_resource -q --resource fencing --set-parameter pcmk_host_map --parameter-value "vm101:101;nobody:103" >/dev/null
    crm_resource -q --resource fencing --set-parameter pcmk_host_check --parameter-value static-list >/dev/null
    follow "not in the list of fencing"
    doctor
    ends 0
}
fine() { doctor; [[ $status == 0 ]]; }

# level TARGET-KEY=VALUE INDEX DEVICES
level() {
    cibadmin --create --scope configuration --xml-text '<fencing-topology/>' 2>/dev/null || true
    cibadmin --create --scope fencing-topology --xml-text "<fencing-level id=\"l-$((++levels))\" $1 index=\"$2\" devices=\"$3\"/>"
}
levels=0

@test "a node whose host died, and nothing else fences it: a warning, with the lines for a second level" {
    world
    device
    crm_attribute -q --type crm_config --name have-watchdog --update false
    finds "warning  no second fencing level for vm101, vm102, vm103: if its Proxmox host dies, nothing proves it off (host-unwatched)"
    ends 2
    like "$out" "*paste: pcs stonith create bmc-vm101 fence_ipmilan ip=ADDRESS username=USER password=PASSWORD lanplus=1 pcmk_host_list=vm101 && pcs stonith level add 1 vm101 fencing && pcs stonith level add 2 vm101 bmc-vm101*"
    like "$out" "*paste: qm set 101 --watchdog model=i6300esb,action=reset*"
    like "$out" "*paste: pcs property set stonith-watchdog-timeout=10 && *&& pcs stonith level add 2 vm101 watchdog*"
    like "$out" "*paste: ha-manager add vm:WITNESS --state started*"
    # levels that are there stay
    level 'target="vm101"' 3 fencing
    level 'target-pattern="vm.*"' 1 fencing
    doctor
    like "$out" "*pcmk_host_list=vm101 && pcs stonith level add 4 vm101 bmc-vm101*"
    command -v crm >/dev/null || return 0
    crm_attribute -q --type crm_config --name have-watchdog --update true
    line=$(sed -n 's/^ *paste: //p' <<<"$out" | grep 'fence_watchdog.*crm configure' | sed 's/| crm configure$/| crm --force configure/')
    bash -c "$line" >"$T/followed" 2>&1 || { cat "$T/followed" >&2; return 1; }
    finds "ok       something else fences vm101 if its Proxmox host dies"
    like "$(cibadmin --query --scope fencing-topology)" '*target-pattern="vm.\**'
}

@test "a Pacemaker that does not answer, is not there, or answers nonsense is not looked at, and nothing hangs" {
    world
    mkdir "$T/bin"
    printf '%s\n' '#!/bin/sh' 'echo "Connection to the cluster failed: not running" >&2' 'exit 102' >"$T/bin/cibadmin"
    chmod 755 "$T/bin/cibadmin"
    PATH=$T/bin:$PATH finds "skipped  not checked: cibadmin: Connection to the cluster failed: not running"
    ends 0
    for xml in '' '<configuration>' '<a></b>' '<a x="1/>' '<a>&nope;</a><b/>' 'words' '<a x="&bad;"/>'; do
        printf '%s\n' '#!/bin/sh' "cat <<'X'" "$xml" X >"$T/bin/cibadmin"
        PATH=$T/bin:$PATH finds "skipped  not checked: cibadmin's answer is not the XML of a CIB"
        ends 0
    done
    printf '%s\n' '#!/bin/sh' 'echo $$ >>'"$T/pids" 'sleep 300 & echo $! >>'"$T/pids" 'wait' >"$T/bin/cibadmin"
    PATH=$T/bin:$PATH finds "skipped  not checked: cibadmin did not end within 10 s"
    ends 0
    is "$(wc -l <"$T/pids")" 2
    while read -r pid; do await 30 has_ended "$pid"; done <"$T/pids"
}

@test "strict=1: a monitor fails for a blocked node of the cluster, and not for another guest of the pool" {
    sim_start "guest 104 qemu pve1 vm104 running=1 lock=backup"
    sed -i 's/101,102,103,120/101,102,103,104,120/' "$SIM/user.cfg"
    sim_ctl reload
    world
    agent action=monitor
    agent action=monitor strict=1
    cibadmin --create --scope nodes --xml-text '<node id="9" uname="vm104"/>'
    agent action=monitor
    status=0
    err=$(agent action=monitor strict=1 2>&1) || status=$?
    is "$status" 1
    like "$err" "fence_broker: monitor: locked: guest vm104 (104): *; *"
    # without Pacemaker's word it is corosync's, and without that every guest of the pool
    export CIB_file=$T/no-such-file
    agent action=monitor strict=1
    export COROSYNC_MAIN_CONFIG_FILE=$T/no-such-file
    not agent action=monitor strict=1
}

@test "access rules of Pacemaker that are in force are compared with the broker's, until they say the same" {
    [[ $(id -u) == 0 ]] || missing "Pacemaker shows the whole CIB to root only"
    world nodes.vm101=101 nodes.vm102=102 nodes.vm103=103
    device
    compare() { all=$("$BUILD/fence-broker-admin" doctor -c "$T/compared.conf") || true; out=$(grep -F 'access rules' <<<"$all") || true; }
    # with a user that every system has, alone in its group
    sed 's/^group = .*/group = daemon/' "$CONFIG" >"$T/compared.conf"
    grep -q '^group = daemon' "$T/compared.conf" || sed -i 's/^\[socket\]/&\ngroup = daemon/' "$T/compared.conf"
    compare
    is "$out" ""
    crm_attribute -q --type crm_config --name enable-acl --update true
    cibadmin --create --scope configuration --xml-text '<acls><acl_role id="one"><acl_permission id="one-1" kind="write"
        xpath="/cib/configuration/nodes/node[@id='"'1'"']"/></acl_role><acl_target id="daemon"><role id="one"/></acl_target></acls>'
    compare
    like "$out" "*warning  Pacemaker has access rules in force (enable-acl), and the broker has none*"
    sed -i '/^\[access\]/,$d' "$T/compared.conf"
    "$BUILD/fence-broker-admin" acl --cib "$CIB_file" >>"$T/compared.conf"
    compare
    like "$out" "*ok       the access rules of Pacemaker and of the broker say the same*"
    echo 'rule = write guest:vm102' >>"$T/compared.conf"
    sed -i 's/^rule = write guest:vm101$/rule = read guest:vm101/' "$T/compared.conf"
    compare
    like "$out" "*differ: here only: daemon may look at vm102, daemon may power vm102*"
    like "$out" "*differ: there only: daemon may power vm101*"
}
