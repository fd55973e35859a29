#!/usr/bin/env bats
# The new user: from an empty configuration and a Proxmox VE that knows nothing of the broker to a working fence, by what doctor prints and
# nothing else, and by chapters of the book. Each line is carried out here: lines for fence-broker.conf in the file, pveum's by a small
# pveum for pvesim, Pacemaker's by Pacemaker's own tools on a CIB in a file.
# shellcheck disable=SC2034,SC2154

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
    command -v cibadmin >/dev/null || missing "cibadmin is not installed"
    export CIB_file=$T/cib.xml COROSYNC_MAIN_CONFIG_FILE=$T/corosync.conf
    TRANSCRIPT=${NEWUSER_TRANSCRIPT:-$T/transcript}
    : >"$TRANSCRIPT"
}
teardown() {
    [[ -n ${BATS_TEST_COMPLETED:-} ]] || cat "$T/lines" "$T/printed" >&2 2>/dev/null || true
    fence_teardown
}

# doctor: with the configuration while there is no daemon, then the running one's; sets status and out
doctor() {
    status=0
    if [[ -n $BROKER_PID ]]; then
        out=$(client doctor 2>&1) || status=$?
        printf '\n$ fence_broker doctor\n' >>"$TRANSCRIPT"
    else
        out=$("$BUILD/fence-broker-admin" doctor -c "$CONFIG" 2>&1) || status=$?
        printf '\n$ fence-broker-admin doctor\n' >>"$TRANSCRIPT"
    fi
    # only what is not fine: the rest is in fence-broker-screens(7)
    { head -n 1 <<<"$out"; grep -E -A 4 '^  (failure|warning) ' <<<"$out" | grep -vE '^  (ok|time|unknown|skipped) |^--|^$|^[a-z]'; } >>"$TRANSCRIPT" || true
    printf '(exit %s)\n' "$status" >>"$TRANSCRIPT"
}

# line GLOB: the first line to paste that is like this
line() {
    local paste
    while IFS= read -r paste; do
        # shellcheck disable=SC2053
        [[ $paste != $1 ]] || { printf '%s\n' "$paste"; return 0; }
    done < <(sed -n 's/^ *paste: //p' <<<"$out")
    printf 'doctor has no line like: %s\n%s\n' "$1" "$out" >&2
    return 1
}

# does LINE: what the user types
types() { printf '> %s\n' "$1" >>"$TRANSCRIPT"; }

# in_file LINE [SED's EXPRESSION]: into [proxmox], after the user has replaced what is in capitals
in_file() {
    local text
    text=$(sed -E "${2:-}" <<<"$1")
    types "(fence-broker.conf) $text"
    grep -qx '\[proxmox\]' "$CONFIG" || printf '[proxmox]\n' >>"$CONFIG"
    sed -i "/^\[proxmox\]/a $text" "$CONFIG"
}

# on_proxmox LINE [SED's EXPRESSION]: its pveum calls, done to pvesim's files
on_proxmox() {
    local text call
    text=$(sed -E "${2:-}" <<<"$1")
    types "(on pve1) $text"
    while IFS= read -r call; do
        pveum_of_pvesim "$call"
    done < <(sed 's/ *; */\n/g' <<<"$text")
    sim_ctl reload
}

# the calls that doctor prints and the book has; anything else fails the test
pveum_of_pvesim() {
    local words
    eval "words=($1)"
    case "${words[*]:0:3}" in
    "pveum user add") printf 'user:%s:1:0::::::\n' "${words[3]}" >>"$SIM/user.cfg" ;;
    "pveum user token")
        [[ ${words[3]} != remove ]] || {
            sed -i "/^token:${words[4]}!${words[5]}:/d" "$SIM/user.cfg"
            sed -i "/^${words[4]}!${words[5]} /d" "$SIM/secrets"
            return 0
        }
        is "${words[*]:3:1} ${words[*]:6}" "add --privsep 1"
        printf 'token:%s!%s:0:1::\n' "${words[4]}" "${words[5]}" >>"$SIM/user.cfg"
        printf '%s!%s %s\n' "${words[4]}" "${words[5]}" "$TOKEN_SECRET" >>"$SIM/secrets"
        ;;
    "pveum pool add") printf 'pool:%s:::\n' "${words[3]}" >>"$SIM/user.cfg" ;;
    "pveum pool modify")
        is "${words[4]}" --vms
        sed -i "s/^pool:${words[3]}:.*/pool:${words[3]}::${words[5]}:/" "$SIM/user.cfg"
        ;;
    "pveum role add") printf 'role:%s:%s:\n' "${words[3]}" "${words[5]// /,}" >>"$SIM/user.cfg" ;;
    "pveum acl modify")
        # also for a token alone
        [[ "${words[4]} ${words[6]} ${#words[@]}" == "--roles --tokens 8" ]] || is "${words[4]} ${words[6]} ${words[8]}" "--roles --users --tokens"
        printf 'acl:1:%s:%s:%s:\n' "${words[3]}" "${words[7]}${words[9]:+,${words[9]}}" "${words[5]}" >>"$SIM/user.cfg"
        ;;
    *) printf 'this pveum does not know: %s\n' "$1" >&2 && return 1 ;;
    esac
}

# here LINE: in a shell of this node
here() {
    types "$1"
    bash -c "$1" >>"$T/here" 2>&1 || { cat "$T/here" >&2; return 1; }
}

@test "from an empty configuration to a working fence by what doctor prints alone" {
    local pve1 pve2
    sim_guests
    echo 'user:root@pam:1:0::::::' >"$SIM/user.cfg"
    : >"$SIM/secrets"
    sim_start
    pve1=$(sed -n 's/^pve1 //p' "$SIM/endpoints") pve2=$(sed -n 's/^pve2 //p' "$SIM/endpoints")
    # a package brings what the test needs to be apart from this machine's own: where the socket and the state are, and which node this is
    printf '[socket]\npath = %s\nmetrics-path = %s\ngroup = %s\n[state]\ndirectory = %s\n[nodes]\n%s = 101\n' "$SOCKET" "$METRICS" "$(id -gn)" "$STATE" "$(uname -n)" >"$CONFIG"
    chmod 640 "$CONFIG"
    cibadmin --empty >"$CIB_file"
    cibadmin --create --scope nodes --xml-text '<node id="1" uname="vm101"/>'
    cibadmin --create --scope nodes --xml-text '<node id="2" uname="vm102"/>'
    crm_attribute -q --type crm_config --name stonith-enabled --update false
    # SBD runs in the nodes: what fences one whose host died
    crm_attribute -q --type crm_config --name have-watchdog --update true
    crm_attribute -q --type crm_config --name stonith-watchdog-timeout --update 10s
    printf 'quorum {\n}\n' >"$COROSYNC_MAIN_CONFIG_FILE"

    doctor
    in_file "$(line 'endpoint = HOST')" "s/HOST/$pve1/"
    doctor
    in_file "$(line 'token-id = *')"
    doctor
    in_file "$(line 'pool = NAME')" 's/NAME/nfs_cluster/'
    doctor
    in_file "$(line 'secret-file = *')" "s,/etc/fence-broker,$T,"
    doctor
    # the secret that Proxmox will print; the user has it only after the token was made
    like "$(line 'install * /dev/stdin *')" "install -m 0640 -g fence-broker /dev/stdin '$T/secret'"
    types "install -m 0640 -g fence-broker /dev/stdin '$T/secret'   (something for now)"
    install -m 0600 /dev/stdin "$T/secret" <<<"no-secret-yet"
    doctor
    is "$(line 'ssh *')" "ssh root@HOST cat /etc/pve/pve-root-ca.pem >/etc/fence-broker/pve-root-ca.pem"
    types "ssh root@pve1 cat /etc/pve/pve-root-ca.pem >$T/pve-root-ca.pem"
    cp "$SIM/pve-root-ca.pem" "$T/pve-root-ca.pem"
    in_file "$(line 'ca-file = *')" "s,/etc/fence-broker,$T,"
    doctor
    on_proxmox "$(line 'pveum user add *')"
    types "(the secret that this printed goes into $T/secret)"
    install -m 0600 /dev/stdin "$T/secret" <<<"$TOKEN_SECRET"
    in_file "$(line 'endpoint = HOST')" "s/HOST/$pve2/"
    doctor
    on_proxmox "$(line 'pveum pool add *')" 's/VMID,VMID/101,102/'
    doctor
    on_proxmox "$(line 'pveum role add *')"
    on_proxmox "$(line 'pveum acl modify *')"
    doctor
    # nothing is left of the chain but the daemon, and behind it Pacemaker
    is "$(sed '/^cluster$/,$d' <<<"$out" | grep -cE '^  (failure|warning)')" 1
    like "$(line 'systemctl enable --now *')" "*fence-broker.service"
    types "systemctl enable --now fence-broker.socket fence-broker-metrics.socket fence-broker.service"
    broker_spawn
    await 30 client -o monitor -q
    doctor
    here "$(line 'crm_attribute *')"
    here "$(line 'cibadmin *')"
    here "$(line 'sed *two_node*')"
    doctor
    here "$(line 'crm_resource *pcmk_delay_base*')"
    await 90 is_fine
    doctor
    is "$status" 0
    fence 102 -o reboot -n vm102
    succeeded
    printf '\n$ fence_broker history\n%s\n' "$(client history)" >>"$TRANSCRIPT"
}
is_fine() { client doctor; }

# ---- chapters of the book ----

# shown FILE: what is in it of the block of a chapter, or of what was printed: without times, pids and widths of columns, and of a fence's time line only
# what every fence has
shown() {
    local id
    id=$(client history -n 1 2>/dev/null | awk 'END { print $1 }')
    sed -E "/^# /d; s/$pve1_address as/192.0.2.11 as/; s/$pve2_address as/192.0.2.12 as/; s,$T/,/etc/fence-broker/,g
        s/ok for the user fence-broker;/ok;/; /on pve3/s/at 192.*/at one of them/; s/\b${id:-none}\b/mx2ehlgg/g; s/\b[0-9.]+ (ms|s|min)\b/0 s/g; s/\bpid [0-9]+/pid 0/; s/ +/ /g
        /^ \+0 s (seen|stop: task OK|running)/d" "$1"
}

# written BLOCK: its lines, for the places of this test
written() {
    sed -E "/^# /d; s,/etc/fence-broker/,$T/,g; s/192\.0\.2\.11 as/$pve1_address as/; s/192\.0\.2\.12 as/$pve2_address as/
        s/mx2ehlgg/$(client history -n 1 2>/dev/null | awk 'END { print $1 }')/" "$1"
}

# follow CHAPTER: its blocks "sh run" and "ini run", in their order; what is shown below such a block is what it printed
follow() {
    local block
    rm -rf "$T/blocks" && mkdir "$T/blocks"
    "$ROOT/tests/admin/markdown" blocks "$T/blocks" "$ROOT/doc/book/$1"
    : >"$T/printed"
    for block in "$T"/blocks/*; do
        case $block in
        *'.ini run')
            written "$block" >"$CONFIG"
            printf '[socket]\npath = %s\nmetrics-path = %s\ngroup = %s\n[state]\ndirectory = %s\n' "$SOCKET" "$METRICS" "$(id -gn)" "$STATE" >>"$CONFIG"
            chmod 640 "$CONFIG"
            ;;
        *'.sh run')
            written "$block" >"$T/lines"
            # shellcheck disable=SC1091
            . "$T/lines" >"$T/printed" 2>&1 <<<"$TOKEN_SECRET"
            ;;
        *.text)
            diff <(shown "$block") <(shown "$T/printed") || { cat "$block" "$T/printed" >&2; return 1; }
            ;;
        esac
    done
}

@test "getting started and rotating the token, as the book has it: its lines are carried out, and print what it shows" {
    local pve1_address pve2_address
    printf '%s\n' 'version 9.2.11' 'node pve1' 'node pve2' 'node pve3' 'listen pve1 127.0.0.1:0' 'listen pve2 127.0.0.1:0' \
        'guest 101 qemu pve1 node1 running=1' 'guest 102 qemu pve2 node2 running=1' 'guest 103 qemu pve3 node3 running=1' >"$SIM/cluster.conf"
    echo 'user:root@pam:1:0::::::' >"$SIM/user.cfg"
    : >"$SIM/secrets"
    sim_start
    pve1_address=$(sed -nE 's/^pve1 ([^ ]+).*/\1/p' "$SIM/endpoints") pve2_address=$(sed -nE 's/^pve2 ([^ ]+).*/\1/p' "$SIM/endpoints")

    # what these are on the machines of the reader
    sudo() { "$@"; }
    pveum() {
        pveum_of_pvesim "pveum $(printf '%q ' "$@")"
        sim_ctl reload >/dev/null
    }
    ssh() { is "$*" "root@pve1 cat /etc/pve/pve-root-ca.pem" && cat "$SIM/pve-root-ca.pem"; }
    install() {
        [[ $3 != -g ]] || { is "$4" fence-broker && set -- "${@:1:2}" "${@:5}"; }
        command install "$@"
    }
    fence-broker-admin() { "$BUILD/fence-broker-admin" "$@" -c "$CONFIG"; }
    fence_broker() { client "$@"; }
    systemctl() {
        if [[ $1 == reload ]]; then
            is "$*" "reload fence-broker"
            broker_reload
            await 30 is_accepted "$(sed -n 's/^token-id = //p' "$CONFIG")"
        else
            is "$*" "enable --now fence-broker.socket fence-broker-metrics.socket fence-broker.service"
            broker_spawn
        fi
        await 60 all_are_ready
    }
    is_accepted() { [[ $(client status) == *"$1 (token), accepted"* ]]; }
    all_are_ready() { [[ $(client status) == *"3 ready, 0 degraded"* ]]; }
    stonith_admin() {
        is "$*" "--reboot node2"
        agent action=reboot plug=node2 >/dev/null
        await 30 client_has_power_on
    }
    client_has_power_on() { client history | grep -q ' reboot .* done '; }

    follow 10-getting-started.md
    is "$(client history | grep -c ' reboot .* done ')" 1

    TOKEN_SECRET=66666666-7777-8888-9999-000000000000
    follow 70-secrets.md
    refute grep -q '^token:fence@pve!broker:' "$SIM/user.cfg"
    fence 103 -o off -n node3
    succeeded
}
