# Users of a test's own: the broker runs in a mount namespace with its own /etc/passwd and /etc/group, so that it knows users that this machine
# does not have. Belongs to fence.bash; knows nothing of rules.
# shellcheck shell=bash disable=SC2034,SC2154

# users_setup: T/passwd and T/group with root, hacluster and the group of the socket, haclient (990)
users_setup() {
    ((EUID == 0)) || missing "asking as other users needs root"
    unshare --mount true 2>/dev/null || missing "mount namespaces"
    printf '%s\n' 'root:x:0:0::/:/bin/sh' 'hacluster:x:189:189::/:/bin/sh' >"$T/passwd"
    printf '%s\n' 'root:x:0:' 'haclient:x:990:' >"$T/group"
    chmod 755 "$T/run"
    mkdir -m 755 "$T/bin"
    install -m 755 "$BUILD/fence_broker" "$BUILD/fence-broker-admin" "$BATS_TEST_DIRNAME/socket-identity" "$BATS_TEST_DIRNAME/socket-abuse" "$T/bin/"
}

# user NAME UID GID [GROUP,…]: GROUPs are names of T/group
user() {
    local group
    echo "$1:x:$2:$3::/:/bin/sh" >>"$T/passwd"
    for group in ${4//,/ }; do
        sed -i -E "s/^($group:x:[0-9]+:)(.*)\$/\\1\\2,$1/; s/:,/:/" "$T/group"
    done
}
group() { echo "$1:x:$2:" >>"$T/group"; }

# as USER COMMAND…: with the user's groups as T/group has them; the numbers are all that the kernel knows
as() {
    local name=$1 uid gid groups
    shift
    IFS=: read -r _ _ uid gid _ <<<"$(grep "^$name:" "$T/passwd")"
    groups=$(awk -F: -v user="$name" '{ n = split($4, m, ","); for (i = 1; i <= n; i++) if (m[i] == user) print $3 }' "$T/group" | paste -sd,)
    if [[ -n $groups ]]; then groups=--groups=$groups; else groups=--clear-groups; fi
    setpriv --reuid "$uid" --regid "$gid" "$groups" -- "$@"
}
client_as() { as "$1" "$T/bin/fence_broker" "${@:2}" --socket "$SOCKET" </dev/null; }
# asked_as USER METHOD TARGET: the answer's body, and its status in a last line
asked_as() { as "$1" curl -sS --max-time 30 --unix-socket "$SOCKET" -H Accept:text/plain -w '%{http_code}\n' -X "$2" "http://localhost$3"; }

# in_users COMMAND…: where names are the test's
in_users() { nsenter -t "$BROKER_PID" -m -- "$@"; }

# of lib.bash: the same with the users
broker_spawn() {
    spawn "$T/broker.log" unshare --mount bash -c \
        'mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/group" /etc/group && shift && exec "$@"' - "$T" "$BUILD/fence_brokerd" -c "$CONFIG"
    BROKER_PID=$SPAWNED
    ln -sf broker.log.err "$T/broker.err"
    await 60 broker_listens || { cat "$T/broker.log" "$T/broker.log.err" >&2; return 1; }
}

# rules_start RULES [SECTION.KEY=VALUE…]: broker_start with these sections at the top of its configuration, so that lines are theirs
rules_start() {
    RULES=$1
    broker_configure socket.group=haclient fence.deadline=5s "${@:2}"
    rules_write
    broker_spawn
    await 30 client -o monitor -q
}
rules_write() {
    cp "$CONFIG" "$T/conf.rest"
    { printf '%s\n' "$RULES"; cat "$T/conf.rest"; } >"$T/conf.new"
    cat "$T/conf.new" >"$CONFIG"
}
# rules_change RULES: and reload
rules_change() {
    local before
    before=$(grep -c "reloaded" "$T/broker.log.err") || true
    { printf '%s\n' "$1"; cat "$T/conf.rest"; } >"$T/conf.new"
    cat "$T/conf.new" >"$CONFIG"
    kill -HUP "$BROKER_PID"
    await 30 reloaded_since "${before:-0}"
}
reloaded_since() { (($(grep -c "reloaded" "$T/broker.log.err") > $1)); }
