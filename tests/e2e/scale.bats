#!/usr/bin/env bats
# Many at once: what the bench measures, here only whether all is answered, and rightly.
load fence.bash

setup() { e2e_setup; }
teardown() { e2e_teardown; }

@test "1,000 requests on 64 guests at the same time are all answered, and the guests are what was asked for" {
    BENCH_QUICK=1 timeout 120 "$BATS_TEST_DIRNAME/../bench/parallel"
}

@test "5,000 status requests of 1,000 parallel clients are all answered" {
    BENCH_QUICK=1 BENCH_REQUESTS=5000 timeout 60 "$BATS_TEST_DIRNAME/../bench/load"
}

@test "a pool of 1,000 guests in a cluster of 10,000 takes less than 10 MiB, and each of them is found by its name" {
    # shellcheck source=tests/bench/shared.bash
    source "$BATS_TEST_DIRNAME/../bench/shared.bash"
    OTHERS=9000 world_of 100 1000
    broker_start proxmox.poll-interval=1s proxmox.least-privilege=warn
    sim_ctl stats reset
    await 30 polled_twice
    is "$(client -o list | wc -l)" 1000
    is "$(ask GET '/v1/guests?view=list' | json targets.999.name)" web-server-1099.example.com
    ask POST '/v1/guests/WEB-server-1099.EXAMPLE.com/off?dry-run=1' | grep -q 1099
    ask POST '/v1/guests/web-server-1100.example.com/off?dry-run=1' | grep -q 'guest 1100 .* is not in the pool'
    at_most "$(status_kib "$BROKER_PID" RssAnon)" 10240 KiB
    broker_ends_clean
}
polled_twice() { (($(sim_calls resources) >= 2)); }
