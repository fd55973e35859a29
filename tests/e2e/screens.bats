#!/usr/bin/env bats
# The manual's screens are those of the programs: made anew, and compared without what differs from run to run.

@test "fence-broker-screens(7) shows what the commands print (else: make man-screens)" {
    cd "$BATS_TEST_DIRNAME/../.."
    source tests/e2e/lib.bash
    command -v cibadmin >/dev/null || missing "cibadmin is not installed"
    tests/screens >"$BATS_TEST_TMPDIR/page"
    tests/screens --form <"$BATS_TEST_TMPDIR/page" >"$BATS_TEST_TMPDIR/new"
    tests/screens --form <man/fence-broker-screens.7 >"$BATS_TEST_TMPDIR/old"
    diff -u "$BATS_TEST_TMPDIR/old" "$BATS_TEST_TMPDIR/new"
    # it is not empty of what it is about
    for words in 'Verdict: ' 'REASONS' 'verified after' 'paste: ' 'accepted: '; do
        grep -q -- "$words" "$BATS_TEST_TMPDIR/new"
    done
}
