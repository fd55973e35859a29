#!/bin/bash
# PID 1 of a node that has Pacemaker's own fencer and what it needs. Run it in namespaces of its own (see fenced_start in
# fenced-lib.bash): all that it mounts and starts ends with it.
#
#   fenced-node.bash DIRECTORY AGENT BROKER_DIRECTORY
#
# The agent lies in /usr/sbin, where Pacemaker looks for agents, and the broker's socket where the agent looks for it, so that a device needs
# no parameters. The fencer's log is DIRECTORY/fenced.log. Nobody in this node can see the guests' processes.
set -eu
# shellcheck source=tests/e2e/one-node.bash
. "${BASH_SOURCE[0]%/*}/one-node.bash"
directory=$1 agent=$2 broker=$3

# /usr/sbin as it is, plus the agent; a copy of what the test needs where overlay file systems are not permitted
overlay_sbin() {
    mkdir "$directory/sbin/upper" "$directory/sbin/work" &&
        mount -t overlay overlay -o "lowerdir=/usr/sbin,upperdir=$directory/sbin/upper,workdir=$directory/sbin/work" /usr/sbin
}
copy_sbin() {
    mkdir "$directory/sbin/copy" && cp -a /usr/sbin/. "$directory/sbin/copy" && mount --bind "$directory/sbin/copy" /usr/sbin
}

mkdir -p "$directory/sbin"
mount -t tmpfs tmpfs "$directory/sbin"
overlay_sbin 2>/dev/null || copy_sbin
install -m 755 "$agent" /usr/sbin/fence_broker

node_prepare
mkdir -p /run/fence-broker
mount --bind "$broker" /run/fence-broker

node_start "$directory"
echo "$FENCER" >"$directory/fencer.pid"
while kill -0 "$FENCER" 2>/dev/null; do
    wait -n || true
done
