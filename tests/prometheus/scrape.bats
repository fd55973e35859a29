#!/usr/bin/env bats
# A real Prometheus scrapes a real broker through systemd-socket-proxyd, with the rules, the scrape example and the dashboard that are
# shipped: every rule evaluates, every query returns data, alerts fire and resolve as things happen in pvesim. Only durations are cut
# down: seconds stand for minutes. Prometheus and the proxy listen in a network namespace of their own.
# shellcheck disable=SC2034,SC2154

setup() {
    # shellcheck source=../e2e/lib.bash
    source "$BATS_TEST_DIRNAME/../e2e/lib.bash"
    # shellcheck source=prometheus.bash
    source "$BATS_TEST_DIRNAME/prometheus.bash"
    e2e_setup
    prometheus_needs
    SIM_ARGUMENTS=(--scale 0.1)
}

teardown() {
    prometheus_stop
    if [[ -z ${BATS_TEST_COMPLETED:-} ]]; then
        cat "$T/prometheus.log.err" "$T/proxy.log.err" >&2 2>/dev/null || true
    fi
    e2e_teardown
}

# ---- what Prometheus thinks ----

# fired ALERT [MATCHER…]: within the last minutes, however short it was; rests: it does not fire now
fired() { has_data "max_over_time(ALERTS{alertname=\"$1\",alertstate=\"firing\"${2:+,$2}}[5m])"; }
rests() { has_none "ALERTS{alertname=\"$1\",alertstate=\"firing\"${2:+,$2}}"; }
nothing_fires() { has_none 'ALERTS{alertstate="firing"}'; }
comes() { await 40 looking fired "$@" || { api alerts >&2; return 1; }; }
goes() { await 40 looking rests "$@" || { api alerts >&2; return 1; }; }

# each rule of the file was evaluated, without an error
rules_are_well() {
    api rules | perl -MJSON::PP -0777 -e '
        my $answer = JSON::PP->new->utf8->decode(scalar <STDIN>);
        my @rules = map { @{ $_->{rules} } } @{ $answer->{data}{groups} };
        my @ill = grep { $_->{health} ne "ok" || $_->{lastError} } @rules;
        print STDERR "$_->{name}: $_->{health} $_->{lastError}\n" for @ill;
        exit !( @rules == $ARGV[0] && !@ill )' "$(grep -c 'alert:' "$T/rules.yml")"
}

# the dashboard's queries, one a line, with Grafana's variables filled in
dashboard_queries() {
    perl -MJSON::PP -0777 -e '
        my $board = JSON::PP->new->utf8->decode(scalar <STDIN>);
        for my $query ( ( map { $_->{expr} } map { @{ $_->{targets} || [] } } @{ $board->{panels} } ), map { $_->{expr} } @{ $board->{annotations}{list} } ) {
            $query =~ s/\$__rate_interval/10s/g;
            $query =~ s/\$__range/1m/g;
            $query =~ s/\$(job|instance)\b/.*/g;
            die "a variable is left in: $query\n" if $query =~ /\$/;
            print "$query\n";
        }' <"$ROOT/conf/grafana/fence-broker.json"
}

# families_known: the types that Prometheus has learnt from the scrape, "NAME TYPE" a line (counters without their ending)
families_known() {
    api targets/metadata --data-urlencode 'match_target={job="fence-broker"}' | perl -MJSON::PP -0777 -e '
        print "$_->{metric} $_->{type}\n" for @{ JSON::PP->new->utf8->decode(scalar <STDIN>)->{data} }' | sort -u
}

# for what counts the fences of the last seconds: one more each time it has nothing
has_data_of_fences() { has_data "$1" || { client -o off -n vm101; return 1; }; }

# ---- tests ----

@test "Prometheus takes the scrape as OpenMetrics, every rule evaluates, every query of the dashboard returns data" {
    local query accept='application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5'
    sim_start
    broker_start proxmox.poll-interval=1s proxmox.rehearse-interval=1s
    curl -sS --unix-socket "$METRICS" http://localhost/metrics >"$T/text"
    promtool check metrics <"$T/text"
    # what Prometheus 2 asks for
    curl -sS -D "$T/head" --unix-socket "$METRICS" -H "Accept: $accept" http://localhost/metrics >"$T/openmetrics"
    grep -qi '^content-type: application/openmetrics-text; version=1.0.0; charset=utf-8' "$T/head"
    [[ $(tail -n 1 "$T/openmetrics") == '# EOF' ]]
    prometheus_start
    has_data 'up{job="fence-broker"} == 1'
    # its parser has understood each family of the table, with its type
    diff <(sed -nE 's/^# TYPE (.*)/\1/p' "$T/openmetrics" | sort) <(families_known)
    client -o off -n vm101
    guest_dead 101
    await 30 looking rules_are_well
    while read -r query; do
        await 30 looking has_data_of_fences "$query"
    done < <(dashboard_queries)
    (($(dashboard_queries | wc -l) >= 25))
}

@test "alerts fire when it happens, and resolve when it is over" {
    sim_start
    sim_ctl certificate pve2 days=9
    ln -s /dev/full "$STATE/history.jsonl"
    broker_start proxmox.poll-interval=1s proxmox.rehearse-interval=1s fence.deadline=5s
    prometheus_start
    await 30 looking rules_are_well

    # all at once: what is fenced, and what goes wrong
    sim_ctl set 102 lock=backup
    sim_ctl fault refuse endpoint=pve1
    sim_ctl fault stop-403 guest=103
    sim_ctl fault http call=rehearse guest=103 status=500 reason=got no worker
    for _ in 1 2 3; do
        client -o off -n vm101
        client -o on -n vm101
    done
    sim_ctl fault http call=start guest=120 status=403 reason=Permission check failed
    client -o reboot -n ct120
    not client -o off -n vm103
    ask POST /v1/guests/102/fenced | grep -q null
    cp "$SIM/user.cfg" "$T/user.cfg"
    echo 'acl:1:/storage:fence@pve,fence@pve!broker:PVEAuditor:' >>"$SIM/user.cfg"
    kill -s HUP "$BROKER_PID"
    chmod 666 "$SOCKET"
    setpriv --reuid 12345 --regid 12345 --clear-groups curl -sS --unix-socket "$SOCKET" http://localhost/v1/status
    comes FenceBrokerNodeFenced 'target="101"'
    comes FenceBrokerFenceLoop 'target="101"'
    comes FenceBrokerFenceFailed 'target="103",result="failed"'
    comes FenceBrokerFenceUnproven
    comes FenceBrokerTargetBlocked 'target="102",reason="locked"'
    comes FenceBrokerEndpointDegraded
    comes FenceBrokerRehearsalFailing 'target="103"'
    comes FenceBrokerDenied 'reason="not-member"'
    comes FenceBrokerHistoryNotWritten
    comes FenceBrokerGuestLeftOff
    comes FenceBrokerCertificateExpires
    comes FenceBrokerExcessPrivileges
    # polls and rehearsals are a second apart here
    comes FenceBrokerOverBudget
    rests FenceBrokerDown
    rests FenceBrokerSessionLost

    # mended; and Proxmox gets slow
    sim_ctl clear
    sim_ctl set 102 lock=
    sim_ctl certificate pve2
    cat "$T/user.cfg" >"$SIM/user.cfg"
    kill -s HUP "$BROKER_PID"
    sim_ctl fault slow ms=1500
    comes FenceBrokerSlow
    goes FenceBrokerNodeFenced
    goes FenceBrokerFenceLoop
    goes FenceBrokerFenceFailed
    goes FenceBrokerFenceUnproven
    goes FenceBrokerTargetBlocked 'target="102",reason="locked"'
    goes FenceBrokerEndpointDegraded
    goes FenceBrokerRehearsalFailing
    goes FenceBrokerDenied
    goes FenceBrokerHistoryNotWritten
    goes FenceBrokerGuestLeftOff
    goes FenceBrokerCertificateExpires
    goes FenceBrokerExcessPrivileges

    # fast again; and somebody makes the token anew, and grants more
    sim_ctl clear
    cp "$SIM/secrets" "$T/secrets"
    sed -i "s/$TOKEN_SECRET/99999999-2222-3333-4444-555555555555/" "$SIM/secrets"
    comes FenceBrokerSessionLost
    goes FenceBrokerSlow
    cat "$T/secrets" >"$SIM/secrets"
    goes FenceBrokerSessionLost

    # no daemon
    broker_stop
    comes FenceBrokerDown 'instance="127.0.0.1:10806"'
    rm "$STATE/history.jsonl"
    broker_start proxmox.poll-interval=10min proxmox.check-interval=10min proxmox.rehearse-interval=10min
    goes FenceBrokerDown
    goes FenceBrokerOverBudget
    await 40 looking nothing_fires
}
