#!/usr/bin/env bats
# fence-broker-admin check: what cannot work, or is not safe, is refused with the line that mends it; root asks with the rights of the service's user.
# shellcheck disable=SC2034,SC2154

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
    ((EUID == 0)) || missing "asking as root"
    unshare --mount true 2>/dev/null || missing "mount namespaces"
    chmod 755 "$T"
    printf '%s\n' 'root:x:0:0::/:/bin/sh' 'fence-broker:x:30991:30991::/:/bin/sh' >"$T/passwd"
    printf '%s\n' 'root:x:0:' 'haclient:x:990:' 'fence-broker:x:30991:' >"$T/group"
    mkdir -m 755 "$T/etc"
    CONFIG=$T/etc/fence-broker.conf
    # as the README makes them
    printf '%s\n' "$TOKEN_SECRET" >"$T/etc/secret"
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$T/key" -subj /CN=ca -days 3650 -out "$T/etc/ca.pem" 2>/dev/null
    chown 0:30991 "$T/etc/secret" && chmod 640 "$T/etc/secret"
    chmod 644 "$T/etc/ca.pem"
    write_config 'token-id = fence@pve!broker'
}
teardown() { fence_teardown; }

# write_config LINE…: of [proxmox]
write_config() {
    printf '%s\n' '[proxmox]' 'endpoint = 127.0.0.1:1' 'pool = nfs_cluster' "secret-file = $T/etc/secret" "ca-file = $T/etc/ca.pem" "$@" \
        '[socket]' 'group = haclient' "path = $T/run/none.sock" '[state]' "directory = $T/state" >"$CONFIG"
    chown 0:30991 "$CONFIG" && chmod 640 "$CONFIG"
}
# here COMMAND…: with the test's users
here() {
    # shellcheck disable=SC2016
    unshare --mount bash -c 'mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/group" /etc/group && shift && exec "$@"' - "$T" "$@"
}
check() { run here "$BUILD/fence-broker-admin" check -c "$CONFIG"; }
# refused TEXT
refused() {
    check
    is "$status" 1
    like "$output" "*$1*"
}
accepted() {
    check
    [[ $status == 0 ]] || { printf '%s\n' "$output" >&2; return 1; }
}

@test "what the README makes is good for the service's user, whoever asks" {
    accepted
    like "$output" "$CONFIG: ok for the user fence-broker; 1 endpoints, *"
    # that user itself
    run here setpriv --reuid 30991 --regid 30991 --clear-groups -- "$BUILD/fence-broker-admin" check -c "$CONFIG"
    is "$status" 0
    like "$output" "$CONFIG: ok; *"
    # where there is no such user, root itself would run it: its group is still the service's
    sed -i '/^fence-broker/d' "$T/passwd"
    accepted
    like "$output" "$CONFIG: ok; *"
}

@test "what root alone may read is no use to the service" {
    chmod 600 "$T/etc/secret"
    refused "secret file $T/etc/secret cannot be opened: Permission denied (checked as the user fence-broker); let fence_brokerd read it: chgrp fence-broker '$T/etc/secret' && chmod 0640"
    chmod 640 "$T/etc/secret"
    chmod 600 "$T/etc/ca.pem"
    refused "ca-file $T/etc/ca.pem: Permission denied (checked as the user fence-broker)"
    chmod 600 "$CONFIG"
    refused "$CONFIG: cannot be read: Permission denied (checked as the user fence-broker)"
}

@test "a configuration that is not in its place yet comes from standard input, and is judged like the one that will be there" {
    local draft=$T/draft
    mv "$CONFIG" "$draft" && chmod 600 "$draft"
    run here "$BUILD/fence-broker-admin" check -c - <"$draft"
    is "$status" 0
    like "$output" "standard input: ok for the user fence-broker; 1 endpoints, *"
    printf 'surprise = 1\n' >>"$draft"
    run here "$BUILD/fence-broker-admin" check -c - <"$draft"
    is "$status" 1
    like "$output" "fence-broker-admin: standard input:$(wc -l <"$draft"): *"
    chmod 600 "$T/etc/secret"
    run here "$BUILD/fence-broker-admin" check -c - < <(head -n -1 "$draft")
    is "$status" 1
    like "$output" "*secret file $T/etc/secret cannot be opened: Permission denied (checked as the user fence-broker)*"
}

@test "the daemon wants a file: it reads it again" {
    run here "$BUILD/fence_brokerd" -c - <"$CONFIG"
    is "$status" 2
    like "$output" "fence_brokerd: the daemon reads its configuration again at each reload: name a file"
    run here "$BUILD/fence-broker-admin" check -c - <"$T"
    is "$status" 1
    like "$output" "fence-broker-admin: standard input: cannot be read: Is a directory*; give it the file: -c - <FILE"
}

@test "doctor as root judges for the service's user, too" {
    mkdir -p "$T/state"
    run here "$BUILD/fence-broker-admin" doctor -c "$CONFIG"
    like "$output" "*ok  *$CONFIG is good for the user fence-broker: endpoints: 1*"
    like "$output" "*uid 30991 cannot write to the state directory $T/state*install -d -m 0750 -o fence-broker*"
    chown 30991 "$T/state"
    run here "$BUILD/fence-broker-admin" doctor -c "$CONFIG"
    like "$output" "*the state directory can be used*"
    chmod 600 "$T/etc/secret"
    run here "$BUILD/fence-broker-admin" doctor -c "$CONFIG"
    is "$status" 1
    like "$output" "*secret file $T/etc/secret cannot be opened: Permission denied (checked as the user fence-broker)*"
}

@test "files that others may change are refused" {
    local file
    for file in "$T/etc/ca.pem" "$CONFIG"; do
        chmod o+w "$file"
        refused "$file* is refused: it is world-writable (mode 06*; check its content, then: chmod o-w '$file'"
        chmod o-w "$file"
        chown 12345 "$file"
        refused "$file* is refused: it belongs to uid 12345, who may change it at any time*chown root '$file'"
        chown 0 "$file"
    done
    accepted
    chmod o+w "$T/etc"
    refused "is refused: its directory $T/etc is world-writable, so everybody may replace the file*chmod o-w '$T/etc'"
    chmod +t "$T/etc"
    accepted
}

@test "a token's secret with what was copied along with it, and a password in quotes" {
    local secret
    for secret in "\"$TOKEN_SECRET\"" "$TOKEN_SECRET " " $TOKEN_SECRET" "'$TOKEN_SECRET'" "fence@pve!broker=$TOKEN_SECRET"; do
        printf '%s\n' "$secret" >"$T/etc/secret"
        refused "has blanks, quotes, '=' or '!' in it: the secret of a token is a UUID"
        unlike "$output" "*$TOKEN_SECRET*"
    done
    printf '\357\273\277%s\n' "$TOKEN_SECRET" >"$T/etc/secret"
    refused "begins with a byte order mark"
    write_config 'user = fence@pve'
    refused "begins with a byte order mark"
    printf '%s\n' '"a password"' >"$T/etc/secret"
    accepted
    like "$output" "*warning: the password is in quotes, which are part of it*"
    printf '%s\n' 'a password ' >"$T/etc/secret"
    accepted
    like "$output" "*warning: the password begins or ends with a blank, which is part of it*"
    printf '%s\n' 'a password' >"$T/etc/secret"
    accepted
    unlike "$output" "*warning*"
}

@test "a group of the socket that is not there is no good configuration" {
    sed -i '/^haclient/d' "$T/group"
    refused "group haclient does not exist on this machine: systemd makes no socket without it*; groupadd --system haclient"
    # the line that comes first comes first
    run here "$BUILD/fence-broker-admin" doctor -c "$CONFIG"
    like "$output" "*group haclient does not exist*paste: groupadd --system haclient"$'\n'"*no daemon is running*"
}
