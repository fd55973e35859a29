# Shared by the parts of the bench: the usual start, worlds of many guests, and the words of the verdicts. Each part is a program of its own
# ("tests/bench/PART"), and `make bench` runs them all. Wall times and ratios depend on the machine and on what else it does: the load is said.
# shellcheck shell=bash disable=SC2034,SC2154

bench_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/e2e/lib.bash
source "$bench_here/../e2e/lib.bash"
BENCH_KEPT=0

# bench_begin TITLE
bench_begin() {
    e2e_setup || exit 1
    trap e2e_teardown EXIT
    printf '\n%s\n%s, %s, %d CPUs, Linux %s, load %s\n\n' "$1" "$(date -u '+%Y-%m-%d %H:%M UTC')" \
        "$(awk -F': ' '/^model name/ { print $2; exit }' /proc/cpuinfo)" "$(nproc)" "$(uname -r)" "$(cut -d' ' -f1 /proc/loadavg)"
}

# keeps VALUE MAX WORDS…: "kept" or "NOT KEPT", for figures with or without a point
keeps() {
    local word=kept
    awk -v value="$1" -v max="$2" 'BEGIN { exit !(value <= max) }' || { word='NOT KEPT' BENCH_KEPT=1; }
    printf '%s: %s (%s)\n' "$word" "${*:3}" "$1"
}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# world_of FIRST COUNT [KEY=VALUE…]: pvesim with so many guests, all in the pool. Without running=1 they are entries of lists and nothing more.
# OTHERS: so many more that are not in the pool; the broker sees them all the same (with least-privilege=warn), because its token may look at all.
world_of() {
    local first=$1 last=$(($1 + $2 - 1)) others=${OTHERS:-0}
    shift 2
    sim_users
    sed -i "s/^pool:.*/pool:nfs_cluster::$(seq -s, "$first" "$last")::/" "$SIM/user.cfg"
    ((others == 0)) || printf '%s\n' 'role:Onlooker:VM.Audit:' 'acl:1:/vms:fence@pve,fence@pve!broker:Onlooker:' >>"$SIM/user.cfg"
    { printf '%s\n' 'version 9.2.11' 'node pve1' 'node pve2' 'node pve3' 'listen pve1 127.0.0.1:0' 'listen pve2 127.0.0.1:0'
      seq "$first" $((last + others)) | awk -v more="$*" '{ printf "guest %d qemu pve%d web-server-%d.example.com tags=production;web %s\n", $1, $1 % 3 + 1, $1, more }'
    } >"$SIM/cluster.conf"
    sim_spawn
    sim_ctl idle-ms 600000
}

status_kib() { awk -v key="$2:" '$1 == key { print $2 }' "/proc/$1/status"; }
