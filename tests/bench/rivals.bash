# The broker and Debian's fence_pve as devices of one cluster (tests/cluster), used by turns. Needs tests/cluster/world.bash.
# shellcheck shell=bash

declare -A DEVICES_OF=([fence_broker]=broker [fence_pve]='pve-node1 pve-node2 pve-node3')

# devices [KEY=VALUE…]: these parameters for all. fence_pve is told each guest's host, which spares it a search: its best case.
devices() {
    local name
    device broker fence_broker "$@"
    for name in node1 node2 node3; do
        device "pve-$name" fence_pve "ip=$(host_address pve1)" username=operator@pve "password=$OPERATOR_PASSWORD" ssl_insecure=1 \
            "pve_node=pve$(number_of "$name")" "pcmk_host_map=$name:$(vmid_of "$name")" "$@"
    done
}

# only WHO: the other's devices are switched off, and the cluster has settled
only() {
    local who device role
    for who in "${!DEVICES_OF[@]}"; do
        role=Stopped
        [[ $who != "$1" ]] || role=Started
        for device in ${DEVICES_OF[$who]}; do
            in_node node1 crm_resource --resource "$device" --meta --set-parameter target-role --parameter-value "$role" >/dev/null 2>&1 || return 1
        done
    done
    await "$LATEST" cluster_is_whole
}
started_again() {
    awk -v since="$1" '$1 > since && $3 == "started" { print $1; found = 1; exit } END { exit !found }' "$CLUSTER_DIR/service"
}
