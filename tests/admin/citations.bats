#!/usr/bin/env bats
# The check of citations: what the code cites of doc/design.md is there. A check that nothing fails is none.

setup() {
    ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    T=$BATS_TEST_TMPDIR
    mkdir -p "$T"/{doc,daemon,client,tests}
    printf '%s\n' '- **P1 Never.** …' '- **P2 Only.** …' '**Point 1. S is new.** …' '**Point 2. Nothing.** …' '**Rule 1. At once.** …' >"$T/doc/design.md"
    echo '/* P1, P2, points 1 and 2, rule 1 */' >"$T/tests/test_all.c"
}

check() { "$ROOT/tests/check-citations" "$T"; }

@test "what is cited, in every form that comments use, is found" {
    printf '%s\n' '/* points 1–2 */' '/* Points 1, 2 */' '/* (Rule' ' * 1) */' '# point 2, 3 of them; P99 of a bench; asked.rule 102' >"$T/daemon/a.c"
    check
}

@test "what is not in the design is told with its file and line" {
    printf '%s\n' 'int a; /* points 1 to 3 */' '/* (P1,' ' * P12), and rule' ' * 4 */' '/* point 0 */' >"$T/daemon/a.c"
    ! check >"$T/out" || false
    [ "$(grep -c 'is not in' "$T/out")" = 4 ]
    grep -q '^# daemon/a.c:1: point 3 is not in doc/design.md$' "$T/out"
    grep -q '^# daemon/a.c:3: P12 ' "$T/out"
    grep -q '^# daemon/a.c:3: rule 4 ' "$T/out"
    grep -q '^# daemon/a.c:5: point 0 ' "$T/out"
}

@test "a number that the design leaves out or has twice, and one that no test names, are told" {
    printf '%s\n' '**Rule 1. Again.** …' '**Point 4. Later.** …' >>"$T/doc/design.md"
    ! check >"$T/out" || false
    grep -q '^# rule 1 stands 2 times in doc/design.md$' "$T/out"
    grep -q '^# point 3 stands 0 times in doc/design.md$' "$T/out"
    grep -q '^# no test names point 4$' "$T/out"
}
