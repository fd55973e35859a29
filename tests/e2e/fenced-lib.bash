# A node with Pacemaker's real fencer in it, for fenced.bats: starting it, its commands, its log. Needs lib.bash.
# shellcheck shell=bash

# fenced_possible: skipped, or failed in CI, where a part is missing
fenced_possible() {
    [[ $(id -u) == 0 ]] || { missing "needs root for namespaces"; return; }
    [[ -x /usr/lib/pacemaker/pacemaker-fenced ]] || { missing "pacemaker-fenced is not installed"; return; }
    command -v stonith_admin >/dev/null || { missing "stonith_admin is not installed"; return; }
    command -v corosync >/dev/null || { missing "corosync is not installed"; return; }
    unshare -m -p -n -i -u --fork --mount-proc true 2>/dev/null || { missing "no namespaces here"; return; }
}

# fenced_start: the node, up to the point where its fencer answers
fenced_start() {
    mkdir -m 755 "$T/node"
    spawn "$T/node/console" unshare -m -p -n -i -u --fork --kill-child=KILL --mount-proc -- \
        "$ROOT/tests/e2e/fenced-node.bash" "$T/node" "$BUILD/fence_broker" "$T/run"
    NODE_PID=$SPAWNED
    await 60 fencer_answers || { cat "$T/node/console.err" "$T"/node/*.{out,log} >&2; return 1; }
}

fenced_teardown() {
    [[ -z ${NODE_PID:-} ]] || end_process "$NODE_PID" KILL || true
    NODE_PID=''
    if [[ -z ${BATS_TEST_COMPLETED:-} && -s ${T:-}/node/fenced.log ]]; then
        printf -- '--- the fencer said\n' >&2
        tail -n 30 "$T/node/fenced.log" >&2
    fi
}

# in_node COMMAND…: in the node's namespaces
in_node() {
    local init
    read -r init _ <"/proc/$NODE_PID/task/$NODE_PID/children" || [[ -n $init ]] || return 1
    nsenter -t "$init" -m -p -n -i -u -r -w -- "$@"
}

fencer_answers() { [[ -s $T/node/fencer.pid ]] && in_node stonith_admin --list-registered >/dev/null; }

# stonith ARGUMENT…: stonith_admin in the node; sets status and out, in words of its own
stonith() {
    status=0
    out=$(in_node stonith_admin "$@" 2>&1 3>&-) || status=$?
}

# succeeds and fails: say what happened instead
succeeds() { ((status == 0)) || { printf 'failed (%d): %s\n' "$status" "$out" >&2; return 1; }; }
fails() { ((status != 0)) || { printf 'succeeded: %s\n' "$out" >&2; return 1; }; }

# register DEVICE [KEY=VALUE…]: a device with these parameters only
register() {
    local item options=()
    for item in "${@:2}"; do
        options+=(--option "$item")
    done
    stonith --register "$1" --agent fence_broker "${options[@]}"
    succeeds
}

# devices_for NODE: what can fence it
devices_for() { in_node stonith_admin --list "$1" 2>/dev/null | sed -nE 's/^[[:space:]]*([[:alnum:]_-]+)$/\1/p'; }

# fencer_said TEXT: whether it is in the fencer's log
fencer_said() { grep -qF -- "$1" "$T/node/fenced.log"; }

# agents_in_node: the agents that run there now
agents_in_node() { in_node pgrep -x fence_broker || true; }
