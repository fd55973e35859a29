#!/usr/bin/env bats
# Whose certificate is believed: CA, fingerprints, names and dates; what is said of one that is not, and that the line it names mends it.
# shellcheck disable=SC2034,SC2154

setup() {
    source "$BATS_TEST_DIRNAME/fence.bash"
    e2e_setup
    SIM_ARGUMENTS=(--scale 0.1)
    POLLS=(fence.deadline=5s proxmox.poll-interval=1s)
}
teardown() { fence_teardown; }

fingerprint_of() { openssl x509 -noout -sha256 -fingerprint -in "$SIM/$1.pem" | sed 's/.*=//'; }
endpoint() { sed -n "s/^$1 //p" "$SIM/endpoints"; }
endpoint_is() { [[ $(ask GET /v1/status | json "endpoints.$1.state") == "$2" ]]; }
endpoint_hint() { ask GET /v1/status | json "endpoints.$1.error.hint"; }
endpoint_message() { ask GET /v1/status | json "endpoints.$1.error.message"; }
status_says() { client status 2>&1 | grep -qE -- "$1"; }
monitor_passes() { client -o monitor -q; }

# with_fingerprints LINE…: instead of the CA
with_fingerprints() {
    local line
    broker_configure "${POLLS[@]}" proxmox.ca-file=
    for line in "$@"; do
        sed -i "/^\[proxmox\]/a $line" "$CONFIG"
    done
}

@test "fingerprints instead of a CA: both endpoints are believed, and fences go through" {
    sim_start
    with_fingerprints "fingerprint = $(fingerprint_of pve1)" "fingerprint = $(fingerprint_of pve2)"
    broker_spawn
    await 30 monitor_passes
    endpoint_is 0 up
    await 30 endpoint_is 1 up
    fence 101 -o off -n vm101
    succeeded
    guest_dead 101
}

@test "a certificate that is changed while the broker runs: the other endpoint serves, and the named line mends it" {
    sim_start
    with_fingerprints "fingerprint = $(fingerprint_of pve1)" "fingerprint = $(fingerprint_of pve2)"
    broker_spawn
    await 30 monitor_passes
    sim_ctl certificate pve1
    await 30 endpoint_is 0 down
    like "$(endpoint_message 0)" "*its fingerprint is $(fingerprint_of pve1)"
    like "$(endpoint_hint 0)" "*pvenode cert info*fingerprint = $(fingerprint_of pve1)"
    broker_said "fingerprint = $(fingerprint_of pve1)"
    status_says "^hint for .*fingerprint = $(fingerprint_of pve1)"
    fence 101 -o off -n vm101
    succeeded
    guest_dead 101
    sed -i "/^\[proxmox\]/a $(endpoint_hint 0 | grep -o 'fingerprint = .*')" "$CONFIG"
    broker_reload
    await 30 endpoint_is 0 up
    next_fence_works 103
}

@test "a renewed certificate of the same CA is believed without a word" {
    sim_start
    broker_start "${POLLS[@]}"
    sim_ctl certificate pve1
    sim_ctl certificate pve2
    fence 101 -o off -n vm101
    succeeded
    guest_dead 101
    endpoint_is 0 up
}

@test "without the CA: what is missing is said, and the fingerprint line that is named mends it" {
    sim_start
    broker_configure "${POLLS[@]}" proxmox.ca-file= "proxmox.endpoint=$(endpoint pve1)"
    broker_spawn
    await 30 endpoint_is 0 down
    like "$(endpoint_message 0)" "*certificate*not trusted*"
    like "$(endpoint_hint 0)" "*pve-root-ca.pem*ca-file = *fingerprint = *"
    fence 101 -o off -n vm101
    [[ $status == 1 ]]
    guest_alive 101
    is "$(sim_calls stop)" 0
    sed -i "/^\[proxmox\]/a $(endpoint_hint 0 | grep -o 'fingerprint = [0-9A-F:]*')" "$CONFIG"
    broker_reload
    await 30 monitor_passes
    next_fence_works 103
}

@test "a certificate for another name: the endpoint line that is named mends it" {
    sim_start
    sim_ctl certificate pve1 name=pve1.example.com
    broker_configure "${POLLS[@]}" "proxmox.endpoint=$(endpoint pve1)"
    broker_spawn
    await 30 endpoint_is 0 down
    like "$(endpoint_hint 0)" "*endpoint = $(endpoint pve1) as pve1.example.com"
    broker_reload "${POLLS[@]}" "proxmox.endpoint=$(endpoint_hint 0 | sed 's/.*endpoint = //')"
    await 30 monitor_passes
    next_fence_works 103
}

@test "an expired certificate ends the trust in its endpoint, with words, and not the fencing" {
    sim_start
    broker_start "${POLLS[@]}"
    sim_ctl certificate pve1 days=-1
    await 30 endpoint_is 0 down
    like "$(endpoint_message 0)" "*certificate has expired*"
    like "$(endpoint_hint 0)" "*pvecm updatecerts*"
    status_says '^  certificate-expires \(degraded\)'
    status_says ' expired '
    broker_said "has expired at"
    fence 101 -o off -n vm101
    succeeded
    guest_dead 101
    sim_ctl certificate pve1
    await 40 endpoint_is 0 up
    await 30 refuted status_says certificate-expires
}
refuted() { ! "$@"; }

@test "the end of a certificate is known 30 days ahead: in status, metrics and log" {
    sim_start
    sim_ctl certificate pve2 days=29
    broker_start "${POLLS[@]}"
    await 30 status_says '^  certificate-expires \(degraded\)'
    status_says ' up .* (28|29) d '
    await 30 broker_said "the certificate of $(endpoint pve2) expires at"
    is "$(date -u -d "@$(metric_of "$(endpoint pve2)")" +%F)" "$(openssl x509 -noout -enddate -in "$SIM/pve2.pem" | sed 's/.*=//' | date -u -f - +%F)"
    # the other one is good for two years
    (($(metric_of "$(endpoint pve1)") > $(date +%s) + 700 * 86400))
    monitor_passes
    [[ $(grep -c 'expires at' "$T/broker.log.err") == 1 ]]
}
metric_of() { ask GET /metrics | sed -n "s/^fence_broker_certificate_expiry_timestamp_seconds{endpoint=\"$1\"} //p"; }

@test "another CA on a reload: what was agreed on under the old one serves nobody any more" {
    sim_start
    broker_start "${POLLS[@]}"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=another -keyout "$T/other.key" \
        -out "$T/other.pem" 2>/dev/null
    broker_reload "${POLLS[@]}" proxmox.ca-file="$T/other.pem"
    fence 101 -o off -n vm101
    [[ $status == 1 ]]
    like "$err" "*certificate*"
    guest_alive 101
    is "$(sim_calls stop)" 0
    broker_reload "${POLLS[@]}"
    await 30 monitor_passes
    next_fence_works 103
}

@test "there is no way to switch verification off" {
    sim_start
    for line in "fingerprint =" "fingerprint = *" "fingerprint = any" "ca-file = none" "ca-file = /dev/null" "verify = no" "ssl-insecure = 1"; do
        broker_configure proxmox.ca-file=
        sed -i "/^\[proxmox\]/a $line" "$CONFIG"
        run "$BUILD/fence-broker-admin" check -c "$CONFIG"
        is "$status" 1
    done
}
