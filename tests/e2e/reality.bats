#!/usr/bin/env bats
# Verdicts against reality (P10): a few tries of tests/e2e/reality, always the same; more of them: TRIES=500 tests/e2e/reality.

reality() { BUILD=${BUILD:-build} timeout 300 "$BATS_TEST_DIRNAME/reality" >"$BATS_TEST_TMPDIR/tries" 2>&1; }

@test "P10: whoever is ready is fenced, who is blocked is not, and what is between has a reason that explains it" {
    TRIES=24 SEED=8 reality || {
        grep '^AGAINST' "$BATS_TEST_TMPDIR/tries" >&2 || cat "$BATS_TEST_TMPDIR/tries" >&2
        return 1
    }
    tail -n 1 "$BATS_TEST_TMPDIR/tries" >&3
}

@test "the check finds a guest that is ready and cannot be fenced" {
    ! TRIES=1 SEED=1 FAULTS="stop's task fails" reality || return 1
    grep -q "^AGAINST: .* VIOLATED: ready, and the fence failed" "$BATS_TEST_TMPDIR/tries"
    grep -q ", 1 against a promise" "$BATS_TEST_TMPDIR/tries"
}
