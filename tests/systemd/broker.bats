#!/usr/bin/env bats
# The broker as systemd runs it: installed, enabled, booted, and then through all that happens to a service. One machine for all of these; they
# go in their order, and each leaves a broker that works.
# shellcheck disable=SC2034,SC2154

source "$BATS_TEST_DIRNAME/machine.bash"

# all that uninstalling takes
machine_prepare() { install -D -m 0644 "$ROOT/Makefile" "$1/srv/source/Makefile"; }

setup_file() { machine_start; }
teardown_file() { machine_stop; }
setup() { machine_needed; }
teardown() {
    [[ -n ${BATS_TEST_COMPLETED:-} || -e ${MACHINE:-}/why-not ]] || {
        on rm -f /tmp/hammer.on
        echo '--- the journal'
        on journalctl -q --no-pager -n 60 -o short-monotonic
    } >&2
}

# a new setting for the unit, until the next boot: drop_in [Section] KEY=VALUE…
drop_in() {
    local unit=$1
    shift
    on mkdir -p "/run/systemd/system/$unit.d"
    printf '%s\n' "$@" | on tee "/run/systemd/system/$unit.d/test.conf" >/dev/null
    on systemctl daemon-reload
}
no_drop_in() {
    on rm -r "/run/systemd/system/$1.d"
    on systemctl daemon-reload
}

restarts() { on systemctl show --value -p NRestarts fence-broker.service; }
restarted_since() { (($(restarts) > $1)) && broker_is SubState running; }
status_line() { on systemctl show --value -p StatusText fence-broker.service; }
status_is_like() {
    # shellcheck disable=SC2053
    [[ $(status_line) == $1 ]]
}

# Clients that ask at both sockets all the time. A refused connection is a failure at once, and so is one that nobody answers.
hammer() {
    on touch /tmp/hammer.on
    # shellcheck disable=SC2016
    on_begin agents sh -c 'n=0; while [ -e /tmp/hammer.on ]; do fence_broker -o monitor -q || exit 1; n=$((n + 1)); echo $n >/tmp/asked; done'
    # shellcheck disable=SC2016
    on_begin scrapes sh -c 'while [ -e /tmp/hammer.on ]; do
        fence_broker metrics --socket /run/fence-broker/metrics.sock | grep -c ^fence_broker_ >/dev/null || exit 1; done'
    await 30 on test -s /tmp/asked
}
hammer_was_served() {
    on rm /tmp/hammer.on
    on_end agents
    is "$status $out" "0 "
    on_end scrapes
    is "$status $out" "0 "
    on rm /tmp/asked
}

# ---- as it is installed ----

@test "systemd finds nothing to say about the units" {
    # the manual pages are not of this test
    run on systemd-analyze --man=no verify fence-broker.service fence-broker.socket fence-broker-root.socket fence-broker-metrics.socket \
        fence-broker@two.service fence-broker@two.socket fence-broker-root@two.socket fence-broker-metrics@two.socket \
        fence-broker-metrics-proxy.socket fence-broker-metrics-proxy.service fence-broker-textfile.timer fence-broker-textfile.service
    is "$status $(grep fence-broker <<<"$output")" "0 "
}

@test "exposure by systemd-analyze security: at most 1.3" {
    for unit in fence-broker.service fence-broker@two.service; do
        run on systemd-analyze security --offline=no --no-pager --threshold=13 "$unit"
        is "$status" 0
        like "$output" "*Overall exposure level for $unit: [01].[0-9] *"
    done
}

@test "after the boot a fence can be tried: sockets first, then the broker, and Pacemaker would come after it" {
    local when
    await 30 could_fence
    when() { on systemctl show --value -p "$2" "$1"; }
    (($(when fence-broker.socket ActiveEnterTimestampMonotonic) <= $(when fence-broker.service InactiveExitTimestampMonotonic)))
    like " $(on systemctl show --value -p Before fence-broker.service) " "* pacemaker.service *"
    refute grep -q network-online <(on systemctl show -p After -p Wants -p Requires fence-broker.service)
    is "$(on stat -c '%U:%G %a' /run/fence-broker /run/fence-broker/broker.sock /run/fence-broker/broker.sock.root /run/fence-broker/metrics.sock |
        tr '\n' ' ')" "root:root 755 root:haclient 660 root:root 600 root:root 666 "
    # which nobody has to know of
    is "$(on systemctl is-active fence-broker-root.socket)" active
    is "$(restarts)" 0
}

@test "the metrics at a TCP port, for who wants it: off by default, and as soon as somebody asks" {
    is "$(on systemctl is-enabled fence-broker-metrics-proxy.socket || true)" disabled
    on systemctl start fence-broker-metrics-proxy.socket
    like "$(scrape)" *fence_broker_build_info*
    await 30 broker_is ActiveState active fence-broker-metrics-proxy.service
    # a later test looks whether it still is, two minutes later
    on systemctl show --value -p MainPID fence-broker-metrics-proxy.service >"$MACHINE/proxy"
}
scrape() { on curl -fsS http://127.0.0.1:10806/metrics; }

@test "systemctl status says whether a fence would work" {
    await 30 status_is_like '3/3 targets ready; pve1, pve2 ok (*); no fence yet'
    like "$(on systemctl status fence-broker.service)" '*Status: "3/3 targets ready; pve1, pve2 ok ('*
    on fence_broker -o off -n node3
    await 30 status_is_like '3/3 targets ready; pve1, pve2 ok (*); last fence node3 off *'
    on fence_broker -o on -n node3
    sim_ctl fault refuse endpoint=pve2
    await 30 status_is_like '3/3 targets ready; all degraded (one-endpoint); pve1 ok (*); pve2 down (*); last fence *'
    sim_ctl clear
    await 60 status_is_like '3/3 targets ready; pve1, pve2 ok (*'
}

@test "the secret comes from a file of root's, and is in no environment" {
    local pid
    pid=$(broker_pid)
    is "$(on stat -c '%U %a' /etc/fence-broker/secret)" "root 600"
    refute on setpriv --reuid fence-broker --clear-groups cat /etc/fence-broker/secret
    refute on grep -q 11111111-2222 "/proc/$pid/environ" "/proc/$pid/cmdline"
}

@test "peers are who the kernel says, for all the hardening: haclient may ask, others may not" {
    on useradd -r -G haclient fencer
    on useradd -r stranger
    like "$(on setpriv --reuid fencer --regid fencer --init-groups fence_broker whoami)" "*member of the socket's group*"
    like "$(on fence_broker whoami)" "*uid *0 (root), pid *"
    run on setpriv --reuid stranger --regid stranger --init-groups fence_broker whoami
    is "$status" 1
    on setpriv --reuid stranger --regid stranger --init-groups curl -fsS --unix-socket /run/fence-broker/metrics.sock \
        -o /dev/null http://localhost/metrics
}

own_oom_score_can_fall() { (echo -1 >/proc/self/oom_score_adj) 2>/dev/null; }
@test "it runs as an ordinary process of its own user: no real-time, the last one to be killed for memory, no core" {
    local pid
    pid=$(broker_pid)
    # policy SCHED_OTHER, nice 0
    is "$(on sed 's/^.*) //' "/proc/$pid/stat" | cut -d' ' -f17,39)" "0 0"
    # what a container may not do is not done in it: some machines have no CAP_SYS_RESOURCE
    is "$(on systemctl show --value -p OOMScoreAdjust fence-broker.service)" -900
    ! own_oom_score_can_fall || is "$(on cat "/proc/$pid/oom_score_adj")" -900
    like "$(on grep 'core file' "/proc/$pid/limits")" "Max core file size * 0 * 0 *"
    is "$(on stat -c %U "/proc/$pid/environ")" root # not dumpable: nobody attaches to it
    is "$(on awk '/^Uid:/ { print $2, $3 }' "/proc/$pid/status")" "$(on id -u fence-broker) $(on id -u fence-broker)"
    is "$(on awk '/^NoNewPrivs:/ { print $2 }' "/proc/$pid/status")" 1
}

memory_of() { on awk -v key="$1:" '$1 == key { print $2 }' "/proc/$(broker_pid)/status"; }

# what is resident beside the libraries, in KiB: those are the release's (20 MiB on Debian 12, 24 on 13)
own_memory() {
    on awk '/^[0-9a-f]+-/ { own = $6 !~ /\.so(\.|$)/ } own && $1 == "Rss:" { sum += $2 } END { print sum + 0 }' "/proc/$(broker_pid)/smaps"
}

@test "all of it is in memory, with the client's program, in at most 5 MiB beside the libraries" {
    refute journal_has 'memory is not locked'
    at_least "$(memory_of VmLck)" 16384
    on grep -q 'r--p 00000000 .* /usr/sbin/fence_broker$' "/proc/$(broker_pid)/maps"
    at_least "$(own_memory)" 1024
    at_most "$(own_memory)" $((5 * 1024)) KiB
}

@test "where memory may not be locked it says so, and works" {
    drop_in fence-broker.service '[Service]' 'AmbientCapabilities=' 'CapabilityBoundingSet=' 'LimitMEMLOCK=64K'
    on systemctl restart fence-broker.service
    journal_has 'memory is not locked: only 64 KiB may be'
    at_most "$(memory_of VmLck)" 64 # secrets are locked by themselves
    on fence_broker -o off -n node3
    on fence_broker -o on -n node3
    no_drop_in fence-broker.service
    on systemctl restart fence-broker.service
}

# ---- the journal ----

# fields MATCH… FIELD: of the newest entry
fields() { on journalctl -q -u fence-broker.service -n 1 -o cat --output-fields="${*: -1}" "${@:1:$#-1}"; }

newest_is() { [[ $(fields FENCE_EVENT=operation-done FENCE_ACTION) == "$1" ]]; }

@test "the journal knows what was done to whom, who asked, and how it ended" {
    local id
    on fence_broker -o off -n node2
    await 30 newest_is off
    id=$(fields FENCE_EVENT=operation-done FENCE_OPERATION)
    is "$(fields FENCE_EVENT=operation-done FENCE_TARGET)" node2
    is "$(fields FENCE_EVENT=operation-done FENCE_RESULT)" done
    is "$(fields FENCE_EVENT=operation-done PEER_UID)" 0
    is "$(fields FENCE_EVENT=operation-done PVE_VMID)" 102
    is "$(fields FENCE_EVENT=operation-done PVE_NODE)" pve2
    # by operation: its steps, too
    at_least "$(on journalctl -q -o cat "FENCE_OPERATION=$id" | wc -l)" 4
    on fence_broker -o on -n node2
}

@test "journalctl -x explains what the daemon says" {
    on journalctl -q --update-catalog
    like "$(on journalctl -q -x -u fence-broker.service -n 1 FENCE_EVENT=operation-done)" \
        '*Subject: A guest was powered*fence_broker explain *'
    like "$(on journalctl -q -x -u fence-broker.service FENCE_EVENT=started)" '*Subject: fence_brokerd serves*'
}

@test "at the default level nothing is said while nothing happens" {
    local quiet
    on journalctl -q --sync
    quiet=$(on journalctl -q -o cat -u fence-broker.service | wc -l)
    sim_ctl stats reset
    await 30 polled 3
    on journalctl -q --sync
    is "$(on journalctl -q -o cat -u fence-broker.service | wc -l)" "$quiet"
}
polled() { (($(sim_ctl stats | awk '$1 == "call" && $2 == "resources" { print $3 }') >= $1)); }

# ---- it comes and goes ----

@test "a stopped broker is started by the next one who asks, and nobody is refused" {
    on systemctl stop fence-broker.service
    on fence_broker -o monitor -q
    broker_is SubState running
    on systemctl stop fence-broker.service
    on curl -fsS --unix-socket /run/fence-broker/metrics.sock -o /dev/null http://localhost/metrics
    await 30 broker_is SubState running
}

@test "kill -9: systemd starts it anew, and nobody is refused meanwhile" {
    local before i
    before=$(restarts)
    hammer
    for i in 1 2 3; do
        on kill -KILL "$(broker_pid)"
        await 30 restarted_since $((before + i - 1))
    done
    hammer_was_served
    is "$(restarts)" $((before + 3))
}

@test "restart, as an upgrade does it: nobody is refused meanwhile" {
    hammer
    on systemctl restart fence-broker.service
    on systemctl restart fence-broker.service
    hammer_was_served
}

@test "an upgrade from units without root's own socket: it is done without, and the next restart brings it" {
    local units=/etc/systemd/system
    on cp /lib/systemd/system/fence-broker.service /lib/systemd/system/fence-broker.socket "$units/"
    on sed -i 's/ fence-broker-root.socket//; /^Wants=/d' "$units/fence-broker.service" "$units/fence-broker.socket"
    on systemctl daemon-reload
    on systemctl stop fence-broker-root.socket
    on systemctl restart fence-broker.service
    await 30 journal_has 'root has no socket of its own and waits in line with the group'
    on fence_broker -o off -n node2
    on rm "$units/fence-broker.service" "$units/fence-broker.socket"
    on systemctl daemon-reload
    on systemctl restart fence-broker.service
    is "$(on systemctl is-active fence-broker-root.socket)" active
    is "$(on systemctl show --value -p TriggeredBy fence-broker.service | tr ' ' '\n' | grep -c root)" 1
    on fence_broker -o on -n node2
}

@test "root's own socket cannot be made: the broker starts without it, and fences" {
    local way=/run/fence-broker/broker.sock.root
    on systemctl stop fence-broker.service fence-broker.socket
    on mkdir "$way"
    on systemctl start fence-broker.socket fence-broker.service
    is "$(on systemctl is-active fence-broker.service)" active
    is "$(on systemctl is-active fence-broker-root.socket || true)" failed
    journal_has "root has no socket of its own and waits in line with the group: $way exists and is not a socket"
    on fence_broker -o off -n node2
    on rmdir "$way"
    on systemctl restart fence-broker.service
    is "$(on systemctl is-active fence-broker-root.socket)" active
    is "$(on stat -c %a "$way")" 600
    on fence_broker -o on -n node2
}

@test "a stalled loop is seen by the watchdog: killed, started anew, and it fences" {
    local before pid
    drop_in fence-broker.service '[Service]' 'WatchdogSec=2s'
    on systemctl restart fence-broker.service
    before=$(restarts) pid=$(broker_pid)
    on kill -STOP "$pid"
    await 30 restarted_since "$before"
    journal_has 'Watchdog timeout (limit 2s)!'
    no_drop_in fence-broker.service
    on systemctl restart fence-broker.service
    on fence_broker -o off -n node3
    sim_ctl wait 103 stopped
    on fence_broker -o on -n node3
}

@test "kill -9 while the disk hangs: started anew at once, and what was handed to the recorder is not lost" {
    local before writer
    before=$(restarts)
    # as a disk that hangs would stop it
    writer=$(on pgrep -x -P "$(broker_pid)" fence-history)
    on kill -STOP "$writer"
    sim_hold stop 101
    on_begin fence fence_broker -o off -n node1
    sim_held 101
    refute on grep -q node1 /var/lib/fence-broker/history.jsonl
    on kill -KILL "$(broker_pid)"
    # TimeoutStopSec would be 15 s
    takes_at_most 12000 await 60 restarted_since "$before"
    on kill -CONT "$writer"
    await 30 on grep -q node1 /var/lib/fence-broker/history.jsonl
    sim_release 101
    on_end fence
    is "$status" 0
    sim_ctl wait 101 stopped
    on systemctl restart fence-broker.service
    on fence_broker -o on -n node1
}

@test "a broker that cannot start is tried for ever, and serves when it can" {
    on mv /etc/fence-broker/fence-broker.conf /etc/fence-broker/away
    on systemctl kill -s KILL fence-broker.service
    # five tries in ten seconds are what systemd allows others
    await 30 restarted_since_and_failing 7
    on mv /etc/fence-broker/away /etc/fence-broker/fence-broker.conf
    on fence_broker -o monitor -q
    is "$(on systemctl is-active fence-broker.socket fence-broker-metrics.socket | tr '\n' ' ')" "active active "
}
restarted_since_and_failing() { (($(restarts) >= $1)); }

@test "reload: a good file is in force when systemctl returns" {
    printf '[nodes]\nalias = 103\n' | on tee -a /etc/fence-broker/fence-broker.conf >/dev/null
    on systemctl reload fence-broker.service
    await 30 journal_has 'reloaded /etc/fence-broker/fence-broker.conf'
    await 30 broker_is SubState running
    on fence_broker -o status -n alias
}

@test "reload: a bad file changes nothing, and the journal has line and word" {
    local pid
    pid=$(broker_pid)
    on cp /etc/fence-broker/fence-broker.conf /tmp/good
    on sed -i 's/^poll-interval.*/poll-intervall = 1s/' /etc/fence-broker/fence-broker.conf
    on systemctl reload fence-broker.service
    await 30 journal_has 'not reloaded, the old configuration stays in force: /etc/fence-broker/fence-broker.conf:6: unknown key "poll-intervall"'
    await 30 broker_is SubState running
    on fence_broker -o monitor -q
    is "$(broker_pid)" "$pid"
    on cp /tmp/good /etc/fence-broker/fence-broker.conf
    on systemctl reload fence-broker.service
}

# newest [--socket PATH]: the id of the newest operation
newest() { on fence_broker history "$@" | awk 'NR == 2 { print $1 }'; }

@test "restart during a fence that ends within 5 s: it is finished, and answered" {
    sim_hold stop 101
    on_begin fence fence_broker -o off -n node1
    sim_held 101
    on systemctl --no-block restart fence-broker.service
    await 30 broker_is ActiveState deactivating
    sim_release 101
    on_end fence
    is "$status" 0
    like "$(on fence_broker explain "$(newest)")" '*off is proven*'
    on fence_broker -o on -n node1
}

@test "restart during a longer fence: recorded as interrupted, and answered by the next daemon" {
    sim_hold stop 101
    on_begin fence fence_broker -o off -n node1
    sim_held 101
    on systemctl restart fence-broker.service
    sim_release 101
    on_end fence
    is "$status" 0
    sim_ctl wait 101 stopped
    like "$(on fence_broker history)" *interrupted*
    on fence_broker -o on -n node1
}

# ---- beside it ----

@test "the metrics at a TCP port: two minutes later the same process serves, whatever became of the broker" {
    await 130 started_two_minutes_ago fence-broker-metrics-proxy.service
    broker_is ActiveState active fence-broker-metrics-proxy.service
    broker_is MainPID "$(<"$MACHINE/proxy")" fence-broker-metrics-proxy.service
    on systemctl restart fence-broker.service
    like "$(scrape)" *fence_broker_build_info*
    # the other routes are not for everybody
    is "$(on curl -sS -o /dev/null -w '%{http_code}' http://127.0.0.1:10806/v1/status)" 404
    on systemctl stop fence-broker-metrics-proxy.socket fence-broker-metrics-proxy.service
    refute scrape
}

started_two_minutes_ago() {
    local began now
    began=$(on systemctl show --value -p ExecMainStartTimestampMonotonic "$1")
    now=$(awk '{ printf "%d", $1 * 1000000 }' /proc/uptime)
    ((now - began > 120000000))
}

@test "the metrics as a file: whole or not there, and nothing periodic in the journal" {
    local file=/var/lib/prometheus/node-exporter/fence-broker.prom
    on mkdir -p /var/lib/prometheus/node-exporter
    on chown nobody /var/lib/prometheus/node-exporter
    is "$(on systemctl is-enabled fence-broker-textfile.timer || true)" disabled
    on systemctl start fence-broker-textfile.timer
    await 30 on grep -q '^fence_broker_build_info' $file
    is "$(on stat -c %a $file)" 644
    # node_exporter's own names
    refute on grep -q 'process_' $file
    await 30 broker_is ActiveState inactive fence-broker-textfile.service
    is "$(on journalctl -q --no-pager -o cat -u fence-broker-textfile.service)" ""
    on systemctl stop fence-broker-textfile.timer
    # what goes wrong is told
    on mv /var/lib/prometheus /var/lib/prometheus.away
    refute on systemctl start fence-broker-textfile.service
    await 30 journal_has 'there is no folder /var/lib/prometheus/node-exporter; set TEXTFILE_FOLDER' fence-broker-textfile.service
    on mv /var/lib/prometheus.away /var/lib/prometheus
    # figures of a broker that is gone would be a lie
    on systemctl stop fence-broker.service fence-broker.socket fence-broker-metrics.socket
    refute on systemctl start fence-broker-textfile.service
    is "$(on find /var/lib/prometheus/node-exporter -type f)" ""
    on systemctl reset-failed fence-broker-textfile.service
    on systemctl start fence-broker.socket fence-broker-metrics.socket fence-broker.service
}

@test "a second broker for a second Proxmox cluster, with sockets, state and an encrypted secret of its own" {
    printf 'five-hosts-and-a-switch' | on systemd-creds encrypt --name=proxmox-secret - /etc/fence-broker/two.secret.cred
    printf 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP' | on systemd-creds encrypt --name=proxmox-totp - /etc/fence-broker/two.totp.cred
    machine_configure "$MACHINE/two.conf" 'user = operator@pve'
    printf '%s\n' '[socket]' 'path = /run/fence-broker/two/broker.sock' 'metrics-path = /run/fence-broker/two/metrics.sock' \
        '[state]' 'directory = /var/lib/fence-broker/two' >>"$MACHINE/two.conf"
    on tee /etc/fence-broker/two.conf <"$MACHINE/two.conf" >/dev/null
    drop_in fence-broker@two.service '[Service]' 'LoadCredentialEncrypted=proxmox-secret:/etc/fence-broker/%i.secret.cred' \
        'LoadCredentialEncrypted=proxmox-totp:/etc/fence-broker/%i.totp.cred'
    on systemctl start fence-broker@two.socket fence-broker-metrics@two.socket
    printf '%s\n' action=monitor socket=/run/fence-broker/two/broker.sock | on fence_broker
    printf '%s\n' action=off plug=node2 socket=/run/fence-broker/two/broker.sock | on fence_broker
    sim_ctl wait 102 stopped
    # each knows its own fences only
    like "$(on fence_broker history --socket /run/fence-broker/two/broker.sock)" *node2*
    unlike "$(on fence_broker history)" "*$(newest --socket /run/fence-broker/two/broker.sock)*"
    on test -s /var/lib/fence-broker/two/history.jsonl
    printf '%s\n' action=on plug=node2 socket=/run/fence-broker/two/broker.sock | on fence_broker
}

@test "which one-time codes were used outlives a restart: systemd keeps it" {
    local codes
    codes=$(sim_ctl stats | awk '$1 == "codes" { print $2 }')
    is "$(on systemctl show --value -p NFileDescriptorStore fence-broker@two.service)" 1
    on systemctl kill -s KILL fence-broker@two.service
    await 30 code_waits_or_counts
    # whether within the same 30 s or not: none was refused
    refute grep 'POST /access/ticket 401' <(sim_ctl log)
}
code_waits_or_counts() {
    journal_has 'the current TOTP code was already used' fence-broker@two.service ||
        (($(sim_ctl stats | awk '$1 == "codes" { print $2 }') > codes))
}

@test "stop leaves nothing: no process, no socket" {
    on systemctl stop fence-broker.service fence-broker.socket fence-broker-metrics.socket \
        fence-broker@two.service fence-broker@two.socket fence-broker-metrics@two.socket
    refute on pgrep -u fence-broker
    is "$(on find /run/fence-broker -type s)" ""
    is "$(on systemctl --failed --plain --no-legend | grep fence-broker || true)" ""
}

@test "uninstall ends and disables all that was there, and leaves the configuration and the history" {
    on systemctl enable -q --now fence-broker.socket fence-broker-metrics.socket fence-broker.service fence-broker-textfile.timer \
        fence-broker-metrics-proxy.socket fence-broker@two.socket
    await 30 could_fence
    on make -s -C /srv/source uninstall prefix=/usr sysconfdir=/etc
    refute on pgrep -x fence_brokerd
    is "$(on systemctl list-units --all --plain --no-legend 'fence-broker*' | grep -v not-found)" ""
    is "$(on find /etc/systemd/system /usr/lib/systemd/system -name 'fence-broker*.*' ! -path '*.d/*' ! -name '*.d')" ""
    is "$(on find /run/fence-broker -type s)" ""
    on test -s /etc/fence-broker/fence-broker.conf -a -s /etc/fence-broker/secret -a -s /var/lib/fence-broker/history.jsonl
}
