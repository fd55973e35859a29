#!/usr/bin/env bats
# What is shipped for Prometheus and Grafana, held against the table of metrics, the pages of the runbooks, and promtool. No
# daemon runs here: scrape.bats looks at real ones.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    RULES=conf/prometheus/fence-broker.rules.yml
    TESTS=tests/prometheus/rules.test.yml
    DASHBOARD=conf/grafana/fence-broker.json
}

# needs PROGRAM: skipped where it is not, but not in CI
needs() {
    command -v "$1" >/dev/null || { [[ ${CI:-} != true ]] && skip "$1 is not installed"; }
}

# the names of the table in the code, with those that a histogram's samples have
metrics() { sed -nE 's/^ *\{"((fence_broker|process)_[a-z_]+)", METRICS_[A-Z]+, .*/\1/p' daemon/server/metrics.c; }
series() {
    metrics
    sed -nE 's/^ *\{"([a-z_]+)", METRICS_HISTOGRAM, .*/\1_bucket\n\1_sum\n\1_count/p' daemon/server/metrics.c
}
alerts() { sed -n 's/^ *- alert: //p' "$RULES" | sort; }
# all that look like metrics in the files
named() { grep -ohE '\b(fence_broker|process)_[a-z_]+\b' "$@" | sort -u; }

# none_left WHAT: the lines on standard input are what is wrong
none_left() {
    local rest
    rest=$(cat)
    [[ -z $rest ]] || { printf '%s:\n%s\n' "$1" "$rest" >&2; return 1; }
}

@test "promtool takes the rules and the scrape examples" {
    needs promtool
    local file
    promtool check rules "$RULES"
    for file in conf/prometheus/scrape-*.yml; do
        promtool check config --syntax-only "$file"
    done
}

@test "each alert fires and resolves" {
    needs promtool
    promtool test rules "$TESTS"
    # in the tests' file: a time at which it fires, and one at which it does not
    comm -23 <(alerts) <(grep -A3 'alertname:' "$TESTS" | grep -B3 'exp_labels' | sed -n 's/.*alertname: //p' | sort -u) |
        none_left "never seen firing"
    comm -23 <(alerts) <(grep -A2 'alertname:' "$TESTS" | grep -B2 'exp_alerts: \[\]' | sed -n 's/.*alertname: //p' | sort -u) |
        none_left "never seen resolved"
    # and in the real Prometheus
    comm -23 <(alerts) <(sed -nE 's/^ *comes (FenceBroker[A-Za-z]+).*/\1/p' tests/prometheus/scrape.bats | sort -u) | none_left "never caused"
    comm -23 <(alerts) <(sed -nE 's/^ *goes (FenceBroker[A-Za-z]+).*/\1/p' tests/prometheus/scrape.bats | sort -u) | none_left "never resolved"
}

@test "every alert has its page in the runbooks and in the manual, and every page its alert" {
    local alert page
    diff <(alerts) <(basename -s .md -a doc/runbooks/*.md | sort)
    diff <(alerts) <(sed -nE 's/^\.BR (FenceBroker[A-Za-z]+) .*/\1/p' man/fence-broker-metrics.7 | sort)
    for alert in $(alerts); do
        page=doc/runbooks/$alert.md
        grep -qxF "          runbook_url: \"file:///usr/share/doc/fence-broker/runbooks/$alert.md\"" "$RULES"
        [[ $(head -n 1 "$page") == "# $alert" ]]
        for heading in 'What it means' 'How to see' 'How to fix'; do
            grep -qxF "## $heading" "$page" || { echo "no \"$heading\" in $page" >&2; false; }
        done
        # the same severity in all three
        severity=$(sed -n "/alert: $alert\$/,/severity:/s/^ *severity: //p" "$RULES")
        grep -qxF "**Severity:** $severity." "$page" || { echo "not $severity in $page" >&2; false; }
        grep -qxF ".BR $alert \" ($severity)\"" man/fence-broker-metrics.7
    done
}

@test "runbooks name commands with their whole paths, and pages that are there" {
    # in blocks of commands, and at the head of inline ones that begin like a command
    awk '/^```/ { inside = !inside; next } inside && !/^\// && !/^increase/ { print FILENAME ": " $0 }' doc/runbooks/*.md |
        none_left "without a path"
    grep -noE '`(fence_broker|fence_brokerd|systemctl|journalctl|pvecm|pveum|qm|curl|stonith_admin|crm_mon) [^`]*`' doc/runbooks/*.md |
        none_left "without a path"
    grep -ohE '\bFenceBroker[A-Za-z]+\.md' doc/runbooks/*.md | sort -u | while read -r page; do
        [[ -e doc/runbooks/$page ]] || echo "$page"
    done | none_left "pages that are not there"
}

@test "every metric that rules, their tests, dashboard and runbooks name is in the table" {
    comm -13 <(series | sort -u) <(named "$RULES" "$TESTS" "$DASHBOARD" doc/runbooks/*.md | grep -v '^process_$') |
        none_left "not in the table"
}

@test "the manual has the table's metrics with types, labels and words, and no others" {
    diff <(sed -nE 's/^ *\{"([a-z_]+)", METRICS_([A-Z]+), "([a-z ]*)",.*/\1 \L\2 \3/p' daemon/server/metrics.c | sed 's/ $//') \
        <(awk '/^\.SH/ { inside = $2 == "METRICS" } inside && /^\.B (fence_broker|process)_/ { name = $2; getline; sub(/\.$/, ""); gsub(/[{},]/, ""); print name, $0 }' \
            man/fence-broker-metrics.7)
}

@test "the dashboard is JSON that Grafana can import, with a query and a description on each panel" {
    perl -MJSON::PP -0777 -e '
        my $board = JSON::PP->new->utf8->decode(scalar <STDIN>);
        my (%ids, @wrong);
        for my $panel (@{ $board->{panels} }) {
            push @wrong, "id $panel->{id} twice" if $ids{ $panel->{id} }++;
            my $at = $panel->{gridPos};
            push @wrong, "$panel->{title} is too wide" if $at->{x} + $at->{w} > 24;
            next if $panel->{type} eq "row";
            push @wrong, "$panel->{title} has no description" unless $panel->{description};
            push @wrong, "$panel->{title} asks nothing" unless @{ $panel->{targets} };
            push @wrong, "$panel->{title} has a fixed data source" if $panel->{datasource}{uid} ne q(${datasource});
        }
        for my $one (grep { $_->{type} ne "row" } @{ $board->{panels} }) {
            for my $other (grep { $_->{id} > $one->{id} } @{ $board->{panels} }) {
                my ( $p, $q ) = ( $one->{gridPos}, $other->{gridPos} );
                push @wrong, "$one->{title} lies over $other->{title}"
                    if $p->{x} < $q->{x} + $q->{w} && $q->{x} < $p->{x} + $p->{w} && $p->{y} < $q->{y} + $q->{h} && $q->{y} < $p->{y} + $p->{h};
            }
        }
        print STDERR "$_\n" for @wrong;
        exit !!@wrong' <"$DASHBOARD"
}

@test "the manual page is clean troff" {
    needs man
    LC_ALL=C.UTF-8 MANWIDTH=100 man --warnings -l man/fence-broker-metrics.7 2>&1 >/dev/null | none_left "man says"
}
