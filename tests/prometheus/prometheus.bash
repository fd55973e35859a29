# A real Prometheus that scrapes the broker of lib.bash through systemd-socket-proxyd, both in a network namespace of their own. Belongs to
# tests/e2e/lib.bash; it knows how Prometheus is started, asked and ended, and nothing of what anybody wants to know from it.
# shellcheck shell=bash disable=SC2034,SC2154

prometheus_needs() {
    local program
    PROXY_PID='' PROMETHEUS_PID=''
    ((EUID == 0)) || missing "a network namespace needs root"
    for program in prometheus systemd-socket-activate nsenter ip; do
        command -v $program >/dev/null || missing "$program is not installed"
    done
    for PROXYD in /usr/lib/systemd/systemd-socket-proxyd /lib/systemd/systemd-socket-proxyd; do
        [[ ! -x $PROXYD ]] || break
    done
    [[ -x $PROXYD ]] || missing "systemd-socket-proxyd is not installed"
    unshare --net true 2>/dev/null || missing "no network namespaces here"
}

prometheus_stop() {
    [[ -z ${PROMETHEUS_PID:-} ]] || end_process "$PROMETHEUS_PID" TERM || true
    [[ -z ${PROXY_PID:-} ]] || end_process "$PROXY_PID" TERM || true
}

# inside COMMAND…: in the network namespace
inside() { nsenter --net="/proc/$PROXY_PID/ns/net" -- "$@"; }
# its loopback is up, and it is not the namespace from which it is being made, whose loopback always is
inside_is_up() {
    [[ $(readlink "/proc/$PROXY_PID/ns/net") != "$(readlink /proc/self/ns/net)" ]] && inside ip -o -4 addr show dev lo | grep -q 127.0.0.1
}

# api PATH [curl's ARGUMENT…]
api() { inside curl -sSf --max-time 10 --get "http://127.0.0.1:9090/api/v1/$1" "${@:2}"; }

prometheus_start() {
    # shellcheck disable=SC2016
    spawn "$T/proxy.log" unshare --net -- bash -c 'ip link set lo up && exec systemd-socket-activate -l 127.0.0.1:10806 "$@"' - \
        "$PROXYD" "$METRICS"
    PROXY_PID=$SPAWNED
    await 10 inside_is_up
    # minutes become seconds, and all windows are the same: one must hold several scrapes on a busy machine, too
    sed -E 's/for: [0-9]+[mh]$/for: 1s/; s/\[[0-9]+m\]/[10s]/g; s/\[6h\]/[1m]/' "$ROOT/conf/prometheus/fence-broker.rules.yml" >"$T/rules.yml"
    {
        printf 'global:\n  evaluation_interval: 1s\n  scrape_timeout: 1s\n'
        sed -E "s/node1.example.com:/127.0.0.1:/; /node2.example.com/d; s/(scrape_interval): .*/\\1: 1s/; s,/etc/prometheus/fence-broker.rules.yml,$T/rules.yml," \
            "$ROOT/conf/prometheus/scrape-proxy.yml"
    } >"$T/prometheus.yml"
    spawn "$T/prometheus.log" nsenter --net="/proc/$PROXY_PID/ns/net" -- prometheus --config.file="$T/prometheus.yml" \
        --storage.tsdb.path="$T/tsdb" --web.listen-address=127.0.0.1:9090 --log.level=warn
    PROMETHEUS_PID=$SPAWNED
    await 30 looking has_data fence_broker_build_info
}

# results EXPRESSION: how many it has that are numbers; fails if it could not be asked
results() {
    local answer
    answer=$(api query --data-urlencode "query=$1") || return
    perl -MJSON::PP -0777 -e '
        my $answer = JSON::PP->new->utf8->decode(scalar <STDIN>);
        print scalar( grep { $_->{value}[1] ne "NaN" } @{ $answer->{data}{result} } ), "\n"' <<<"$answer"
}
has_data() { (($(results "$1" || echo 0) > 0)); }
has_none() { [[ $(results "$1") == 0 ]]; }

# three looks a second: each is three processes
looking() { "$@" || { sleep 0.3; return 1; }; }
