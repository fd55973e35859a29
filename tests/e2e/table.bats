#!/usr/bin/env bats
# The fault table (tests/data/faults.table): every cell of it, and its documentation. JOBS: worlds at once.

setup() { ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd); }

@test "P1: no false success, and every answer as expected, in all scenarios of the fault table" {
    BUILD=${BUILD:-build} "$BATS_TEST_DIRNAME/table" >"$BATS_TEST_TMPDIR/cells" || {
        grep -A1 '^not ok' "$BATS_TEST_TMPDIR/cells" >&2
        tail -n 1 "$BATS_TEST_TMPDIR/cells" >&2
        return 1
    }
    tail -n 1 "$BATS_TEST_TMPDIR/cells" >&3
}

@test "the fault table has at least 60 scenarios, and its documentation is what it says (make doc/faults.md)" {
    (($("$BATS_TEST_DIRNAME/table" --markdown | grep -c '^| .* ≤ ') >= 60))
    "$BATS_TEST_DIRNAME/table" --markdown | diff -u "$ROOT/doc/faults.md" - >&2
}
