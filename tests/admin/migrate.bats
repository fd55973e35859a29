#!/usr/bin/env bats
# fence-broker-admin migrate: what it makes of configurations with fence_pve, what it prints, and that no password is among it. No Pacemaker runs here;
# tests/e2e/migrate.bats gives the commands to crmsh.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    B=${BUILD:-build}
    [[ $B == /* ]] || B=$PWD/$B
    ADMIN=$B/fence-broker-admin
    T=$(mktemp -d "${TMPDIR:-/tmp}/fence-broker-migrate.XXXXXX")
    P='<nvpair id="P-ip" name="ip" value="192.0.2.1"/><nvpair id="P-user" name="username" value="fence@pve"/>'
    P+='<nvpair id="P-pw" name="password" value="secret-example"/><nvpair id="P-auto" name="pve_node_auto" value="1"/>'
}

teardown() { rm -rf "$T"; }

# device ID [NAME=VALUE …]: a fence_pve device with these parameters beside the usual ones; BARE=1: with none but these
device() {
    local id=$1 pair
    shift
    printf '<primitive class="stonith" id="%s" type="fence_pve"><instance_attributes id="%s-i">' "$id" "$id"
    [ -n "${BARE-}" ] || printf '%s' "${P//P-/$id-}"
    for pair; do printf '<nvpair id="%s-%s" name="%s" value="%s"/>' "$id" "${pair%%=*}" "${pair%%=*}" "${pair#*=}"; done
    printf '</instance_attributes></primitive>\n'
}

# cib RESOURCES [LEVELS [CONSTRAINTS]]: a cluster of n1 and n2, in $T/cib.xml; VERSION of Pacemaker, REST of the configuration
cib() {
    cat >"$T/cib.xml" <<-END
	<cib admin_epoch="0" crm_feature_set="3.16.1" epoch="1" num_updates="0" validate-with="pacemaker-3.9"><configuration>
	<crm_config><cluster_property_set id="c"><nvpair id="c1" name="dc-version" value="${VERSION:-2.1.5}"/></cluster_property_set></crm_config>
	<nodes><node id="1" uname="n1"><instance_attributes id="n1-a"><nvpair id="n1-s" name="site" value="a"/></instance_attributes></node>
	<node id="2" uname="n2"/></nodes><resources>$1</resources><constraints>${3-}</constraints>
	${2:+<fencing-topology>$2</fencing-topology>}${REST-}</configuration><status/></cib>
	END
    [ -z "$(command -v xmllint)" ] || xmllint --noout "$T/cib.xml"
}

# level TARGET INDEX DEVICES
level() { printf '<fencing-level id="l-%s-%s" target="%s" index="%s" devices="%s"/>' "$1" "$2" "$1" "$2" "$3"; }

migrate() { "$ADMIN" migrate --cib "$T/cib.xml" "$@" >"$T/out"; }
# value EXPRESSION: of the JSON document in $a
value() {
    "$ADMIN" migrate --json --cib "$T/cib.xml" |
        perl -MJSON::PP -e 'local $/; my $j = JSON::PP->new->canonical; my $a = $j->decode(<STDIN>);
            my $v = eval $ARGV[0]; die $@ if $@; print ref $v ? $j->encode($v) : $v // "null", "\n"' "$1"
}
is() { [ "$(value "$1")" = "$2" ] || { printf '%s is %s, not %s\n' "$1" "$(value "$1")" "$2" >&2; return 1; }; }
# told TEXT: among what cannot be taken over, in one line
told() { is 'scalar grep { index($_, q{'"$1"'}) >= 0 } @{ $a->{cannot} }' 1; }
has() { grep -qxF -- "$1" "$T/out" || { printf 'no line "%s" in:\n' "$1" >&2; cat "$T/out" >&2; return 1; }; }
has_not() { ! grep -qF -- "$1" "$T/out" || { printf '"%s" in:\n' "$1" >&2; cat "$T/out" >&2; return 1; }; }

pacemaker_2_1() { crm_resource --version 2>/dev/null | grep -q '^Pacemaker 2\.1'; }

# ---- what it finds ----

@test "22 configurations as people write them: devices, nodes, what is insecure, what must be told" {
    run tests/admin/migrate-cases "$ADMIN" tests/data/cib
    echo "$output"
    [ "$status" = 0 ]
}

@test "no password is printed, whatever is asked for" {
    local file way
    for file in tests/data/cib/*.xml; do
        for way in '' --json --check; do
            # shellcheck disable=SC2086
            run "$ADMIN" migrate $way --cib "$file"
            [[ $output != *secret-example* ]] || { echo "$file $way"; false; }
        done
    done
    cib "$(device p pcmk_host_map='n1:101' | sed 's|</primitive>|<instance_attributes id="r"><rule id="r1" score="0"><expression id="r2" attribute="#uname" operation="eq" value="n1"/></rule><nvpair id="r3" name="password" value="secret-example"/></instance_attributes>&|')"
    for way in '' --json --check; do
        # shellcheck disable=SC2086
        run "$ADMIN" migrate $way --cib "$T/cib.xml"
        [[ $output != *secret-example* ]]
    done
}

@test "a static port beats the map: where they differ, the map's is likely, and nothing is taken over" {
    cib "$(device p port=101 pcmk_host_map='n1:101;n2:102')"
    is '$a->{devices}[0]{nodes}' '{"n1":101,"n2":101}'
    is '$a->{nodes}' '{"n1":101,"n2":null}'
    is '$a->{hints}{likely_nodes}' '{"n2":102}'
    told 'static port=101 beats pcmk_host_map'
    migrate
    has '# confirm: n2 = 102'
}

@test "a static plug works where Pacemaker fills plug, and not where it fills port" {
    cib "$(device p plug=101 pcmk_host_list=n1)"
    told 'static plug=: Pacemaker up to 3.0.0'
    VERSION=3.0.1 cib "$(device p plug=101 pcmk_host_list=n1)"
    is '$a->{nodes}{n1}' 101
    is 'scalar grep { /static plug/ } @{ $a->{cannot} }' 0
    cib "$(device p plug=101 pcmk_host_list=n1 pcmk_host_argument=plug)"
    is 'scalar grep { /static plug/ } @{ $a->{cannot} }' 0
}

@test "one VMID without a list of nodes: a level says whose it is, else it is likely by the device's name" {
    cib "$(device a port=101)$(device b port=102)" "$(level n1 1 a)$(level n2 1 b)"
    is '$a->{nodes}' '{"n1":101,"n2":102}'
    cib "$(device fence_n1 port=101)$(device fence_n2 port=102)"
    is '$a->{nodes}' '{"n1":null,"n2":null}'
    is '$a->{hints}{likely_nodes}' '{"n1":101,"n2":102}'
    told 'each such fence hits this one guest'
    migrate
    has 'pcs -f new.xml stonith level add 2 n1 fence_n1'
    has_not 'level add 3'
}

@test "two nodes that lead to one guest are not taken over; at two addresses they are two Proxmox clusters" {
    cib "$(device a port=101 pcmk_host_list='n1 n2')"
    is '$a->{nodes}' '{"n1":null,"n2":null}'
    told 'are one guest (101)'
    cib "$(device a port=101 pcmk_host_list=n1)$(device b port=101 pcmk_host_list=n2 | sed 's/192.0.2.1/192.0.2.2/')"
    is '$a->{nodes}' '{"n1":101,"n2":101}'
    told 'these are two Proxmox clusters'
    migrate
    has '# of another Proxmox cluster: n2 = 101'
}

@test "names of guests in the map, nodes that are none, other spellings of a node" {
    cib "$(device p pcmk_host_map='N1:web1 ghost:104;n2=102')"
    is '$a->{devices}[0]{nodes}' '{"ghost":104,"n1":null,"n2":102}'
    is '$a->{nodes}' '{"n1":null,"n2":102}'
    is '$a->{hints}{lookup_by_name}' '["web1"]'
    told 'names ghost, which is no node of this cluster'
    cib "$(device p pcmk_host_map='n1:101;g1:103')<primitive class='ocf' provider='heartbeat' type='VirtualDomain' id='v'><meta_attributes id='m'><nvpair id='m1' name='remote-node' value='g1'/></meta_attributes></primitive>"
    told 'names g1, a guest node'
}

@test "password from a script or cibsecret, container, ssl_insecure=0" {
    BARE=1 cib "$(BARE=1 device a ip=h login=a@pve password_script=/x port=101 pcmk_host_list=n1 vmtype=lxc pve_node=pve1)$(BARE=1 device b ip=h login=b@ad passwd=lrm:// port=102 pcmk_host_list=n2 ssl_insecure=0)"
    is '$a->{devices}[0]{password}' script
    is '$a->{devices}[1]{password}' cibsecret
    is '$a->{devices}[0]{vmtype}' lxc
    is '$a->{devices}[0]{pve_node}' pve1
    is '$a->{insecure}' '["verification off"]'
    told 'containers (vmtype=lxc)'
    told 'neither pve_node_auto nor pve_node'
}

@test "a device that is stopped by its clone or by the defaults of all resources counts as disabled" {
    cib "<clone id='cl'><meta_attributes id='m'><nvpair id='m1' name='target-role' value='Stopped'/></meta_attributes>$(device p pcmk_host_map='n1:101')</clone>"
    is '$a->{devices}[0]{enabled} ? 1 : 0' 0
    is '$a->{nodes}{n1}' null
    is '$a->{insecure}' '["password in CIB (in the disabled device only)"]'
    REST='<rsc_defaults><meta_attributes id="d"><nvpair id="d1" name="target-role" value="stopped"/></meta_attributes></rsc_defaults>' cib "$(device p pcmk_host_map='n1:101')"
    is '$a->{devices}[0]{enabled} ? 1 : 0' 0
}

@test "of sets with the same score the last one counts, as in Pacemaker 2.1, and that is told" {
    cib "$(device p pcmk_host_map='n1:101' | sed 's|</primitive>|<instance_attributes id="s"><nvpair id="s1" name="pcmk_host_map" value="n1:201"/></instance_attributes>&|')"
    is '$a->{nodes}{n1}' 201
    told 'sets of attributes with the same score'
    if pacemaker_2_1; then # what Pacemaker itself says
        [ "$(CIB_file=$T/cib.xml crm_resource -r p --get-parameter pcmk_host_map 2>/dev/null | tail -1)" = n1:201 ]
    fi
}

@test "what cannot be read is refused in a line: no file, no XML, no CIB, a DOCTYPE" {
    run "$ADMIN" migrate --cib "$T/none"
    [ "$status" = 1 ]
    [[ $output == *"$T/none: No such file"*"cibadmin --query"* ]]
    echo '<cib>' >"$T/cib.xml"
    run "$ADMIN" migrate --cib "$T/cib.xml"
    [ "$status" = 1 ]
    [[ $output == *"is not the XML of a CIB"* ]]
    echo '<html/>' >"$T/cib.xml"
    run "$ADMIN" migrate --cib "$T/cib.xml"
    [ "$status" = 1 ]
    [[ $output == *"has no configuration of Pacemaker"* ]]
    echo '<!DOCTYPE cib [<!ENTITY a "b">]><cib><configuration/></cib>' >"$T/cib.xml"
    run "$ADMIN" migrate --cib "$T/cib.xml"
    [ "$status" = 1 ]
    [[ $output == *"is not the XML of a CIB"* ]]
    run "$ADMIN" migrate --check --json
    [ "$status" = 2 ]
}

@test "without a file the running cluster's cibadmin is asked; standard input is a file, too" {
    cib "$(device p pcmk_host_map='n1:101;n2:102')"
    mkdir "$T/bin"
    printf '#!/bin/sh\n[ "$*" = "--query --scope configuration" ] || exit 1\nsed -n "/<configuration>/,/<.configuration>/p" "%s" | sed "s/.*<configuration>/<configuration>/; s/<.configuration>.*/<\\/configuration>/"\n' "$T/cib.xml" >"$T/bin/cibadmin"
    chmod +x "$T/bin/cibadmin"
    PATH=$T/bin:$PATH "$ADMIN" migrate >"$T/asked"
    "$ADMIN" migrate --cib - <"$T/cib.xml" >"$T/out"
    diff "$T/asked" "$T/out"
    has 'n2 = 102'
}

# ---- what it prints ----

@test "the six parts come in their order, and a CIB without fence_pve has none" {
    cib "$(device p pcmk_host_map='n1:101;n2:102')"
    migrate
    [ "$(grep -oE '^[1-9]\. ' "$T/out" | tr -d '\n')" = '1. 2. 3. 4. 5. 6. ' ]
    has '  Nothing: all of it can be taken over.'
    cib '<primitive class="stonith" id="i" type="fence_ipmilan"/>'
    migrate
    has 'There is no fence_pve device: nothing to migrate.'
}

@test "the daemon takes the configuration, and provision its line" {
    local file
    echo secret >"$T/secret"
    chmod 600 "$T/secret"
    for file in tests/data/cib/{06,07,41,36}-*.xml; do
        "$ADMIN" migrate --cib "$file" >"$T/out"
        sed -n '/^\[proxmox\]/,/^5\./p' "$T/out" | sed "\$d; s|^secret-file = .*|secret-file = $T/secret|; /^ca-file/d" >"$T/conf"
        printf '[socket]\ngroup = %s\n' "$(id -gn)" >>"$T/conf" # there may be no haclient
        run "$ADMIN" check -c "$T/conf"
        [ "$status" = 0 ] || { echo "$output"; cat "$T/conf"; false; }
        sed -n '/^fence-broker-admin provision/,/[^\\]$/p' "$T/out" | tr -d '\\\n' | sed 's/--secret-file.*//' >"$T/line"
        # shellcheck disable=SC2046
        run "$ADMIN" $(sed 's/^fence-broker-admin //' "$T/line")
        [ "$status" = 0 ]
        [[ $output == *"pveum user token add"* ]]
    done
    # ssh knows neither port nor brackets
    "$ADMIN" migrate --cib tests/data/cib/41-*.xml >"$T/out"
    has 'ssh root@2001:db8::10 cat /etc/pve/pve-root-ca.pem >pve-root-ca.pem'
}

@test "delays and time-outs are carried over: the agent's own in Pacemaker's, and never less than the broker may take" {
    "$ADMIN" migrate --cib tests/data/cib/32-*.xml >"$T/out"
    has "pcs -f new.xml stonith create fence-broker fence_broker pcmk_reboot_timeout=300s pcmk_off_timeout=300s pcmk_delay_base='tw1:13s;tw2:3s' pcmk_delay_max=15s op monitor interval=60s"
    "$ADMIN" migrate --cib tests/data/cib/10-*.xml >"$T/out"
    has 'pcs -f new.xml stonith create fence-broker fence_broker pcmk_reboot_timeout=600s pcmk_off_timeout=300s op monitor interval=60s'
    "$ADMIN" migrate --cib tests/data/cib/07-*.xml >"$T/out"
    has 'pcs -f new.xml stonith create fence-broker fence_broker pcmk_reboot_timeout=300s pcmk_off_timeout=300s pcmk_delay_max=10s pcmk_action_limit=-1 op monitor interval=60s'
    "$ADMIN" migrate --cib tests/data/cib/35-*.xml >"$T/out"
    grep -q 'pcmk_reboot_action=off' "$T/out"
}

@test "levels: the broker before each old one, in the place that the old one has, and others keep theirs" {
    "$ADMIN" migrate --cib tests/data/cib/26-*.xml >"$T/out"
    has 'pcs -f new.xml stonith level add 1 v2 scsi-shooter fence-broker'
    has 'pcs -f new.xml stonith level add 2 v2 scsi-shooter pve'
    has 'pcs -f new.xml stonith level add 3 v2 fence-broker'
    has 'pcs -f new.xml stonith level add 4 v2 pve'
    cib "$(device p pcmk_host_map='n1:101;n2:102')<primitive class='stonith' id='i' type='fence_ipmilan'/>" \
        '<fencing-level id="a" target-attribute="site" target-value="a" index="1" devices="i"/><fencing-level id="b" target-attribute="site" target-value="a" index="2" devices="p"/>'
    migrate
    has 'pcs -f new.xml stonith level add 2 attrib%site=a fence-broker'
    has 'pcs -f new.xml stonith level add 3 attrib%site=a p'
    has_not 'level add 1 n1'
    # n2 had no level, and i may be for it: with levels Pacemaker uses nothing else
    has 'pcs -f new.xml stonith level add 3 n2 i'
    cib "$(device p pcmk_host_map='n1:101;n2:102')" '<fencing-level id="a" target-pattern="n[0-9]" index="1" devices="p"/>'
    migrate
    has "pcs -f new.xml stonith level add 2 'regexp%n[0-9]' p"
    has_not 'level add 1 n1'
}

@test "crm deletes the levels before it makes others, an empty section too: pcs leaves one" {
    cib "$(device p pcmk_host_map='n1:101;n2:102')"
    migrate
    [ "$(grep -cx 'delete fencing_topology' "$T/out")" = 2 ] # to switch, and to go back
    cib "$(device p pcmk_host_map='n1:101;n2:102')" ' '
    migrate
    [ "$(grep -cx 'delete fencing_topology' "$T/out")" = 3 ]
}

@test "pcs is forced to take a device in a group or a clone, or of a template, for a level" {
    "$ADMIN" migrate --cib tests/data/cib/21-*.xml >"$T/out"
    has 'pcs -f new.xml stonith level add 1 g1 fence-broker'
    has 'pcs -f new.xml stonith level add 2 g1 st-g1 --force'
    "$ADMIN" migrate --cib tests/data/cib/29-*.xml >"$T/out"
    has 'pcs -f new.xml stonith level add 2 tp1 st-tp1 --force'
}

@test "run again in the middle it goes on with the device that is there" {
    cib "$(device p pcmk_host_map='n1:101;n2:102')<primitive class='stonith' id='fencing' type='fence_broker'/>" "$(level n1 1 fencing)$(level n1 2 p)"
    migrate
    has_not 'stonith create'
    has_not '1 n1 p'
    has 'pcs -f new.xml stonith level add 1 n2 fencing'
    is '$a->{leave_alone}' '[]'
}

@test "values that would steer a terminal, or begin a line, do not" {
    cib "$(device p pcmk_host_map='n1:101' 'username=a&#10;END&#9;&#x85;@pve')"
    sed -i 's|<nvpair id="p-user"[^>]*>||' "$T/cib.xml"
    migrate
    [ "$(grep -cx END "$T/out")" = "$(grep -c "<<'END'" "$T/out")" ]
    [ -z "$(grep -P '\xc2\x85' "$T/out")" ]
}

# ---- --check ----

@test "--check names what hangs on the old device: itself, template, levels, constraints, access rules" {
    cib "$(device p pcmk_host_map='n1:101')" "$(level n1 1 p)" '<rsc_location id="loc" rsc="p" node="n1" score="-INFINITY"/>'
    run "$ADMIN" migrate --check --cib "$T/cib.xml"
    [ "$status" = 1 ]
    [ "$output" = "device p (fence_pve): its password is in the CIB
level 1 of n1: p
rsc_location loc names p" ]
    REST='<acls><acl_role id="r"><acl_permission id="ap" kind="read" reference="p"/></acl_role></acls>' cib "$(device p pcmk_host_map='n1:101')"
    run "$ADMIN" migrate --check --cib "$T/cib.xml"
    [[ $output == *"acl_permission ap names p"* ]]
    cib '<template id="t" class="stonith" type="fence_pve"/>'
    run "$ADMIN" migrate --check --cib "$T/cib.xml"
    [ "$status" = 1 ]
    [ "$output" = 'template t (fence_pve)' ]
    cib '<primitive class="stonith" id="i" type="fence_ipmilan"/>' "$(level n1 1 i)"
    run "$ADMIN" migrate --check --cib "$T/cib.xml"
    [ "$status" = 0 ]
    [ "$output" = 'Nothing hangs on fence_pve.' ]
}
