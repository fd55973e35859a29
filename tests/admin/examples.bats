#!/usr/bin/env bats
# What the book shows of commands that need no daemon is what they print. The files that they read are in tests/data/book.

setup() {
    source "$BATS_TEST_DIRNAME/words.bash"
    words_setup
    cp tests/data/book/* "$T"
    cp tests/data/cib/20-*.xml "$T/cib.xml"
}
teardown() { rm -rf "$T"; }

@test "each screen of fence-broker-admin in the book is what it prints" {
    run tests/admin/consoles "$B" "$T" doc/book/[0-9][0-9]-*.md
    [ "$status" = 0 ] || { echo "$output"; false; }
    ((${output%% *} >= 10))
}

@test "a screen that is not what the command prints is found" {
    printf '%s\n' '```console' '$ fence-broker-admin migrate --check --cib cib.xml' 'device st-pve (fence_pve)' '```' >"$T/x.md"
    run tests/admin/consoles "$B" "$T" "$T/x.md"
    [ "$status" = 1 ]
    [[ $output == *"x.md:1: not printed: device st-pve (fence_pve)"* ]] || { echo "$output"; false; }
}
