# What the programs know, for tests that hold texts against it: the tables of the code, and the options of each command.
# shellcheck shell=bash disable=SC2034

# words_setup: B is the folder of the programs, T one of the test's own; the working directory is the project's
words_setup() {
    cd "$BATS_TEST_DIRNAME/../.." || return 1
    B=${BUILD:-build}
    [[ $B == /* ]] || B=$PWD/$B
    MANUAL=tests/admin/manual
    CLIENT=man/fence_broker.8 DAEMON=man/fence_brokerd.8 ADMIN=man/fence-broker-admin.8 CONF=man/fence-broker.conf.5
    T=$(mktemp -d "${TMPDIR:-/tmp}/fence-broker-words.XXXXXX")
}

# table NAME: its rows, without the name
table() { "$B/tables" | sed -n "s/^$1 //p"; }

# same CODE TEXT: two files with a word a line, in any order; neither may be empty
same() {
    [ -s "$1" ] || { echo "the code has nothing to compare"; return 1; }
    diff <(sort -u "$1") <(sort -u "$2") || { echo "< only the code knows it, as it was last built (make all unit); > only the text does"; return 1; }
}

# commands_of PROGRAM: by its --help
commands_of() { "$B/$1" --help | awk '/^As a fence agent/ { exit } /^(usage| *-)/ { next } /^  +[a-z]+ / { print $1 }'; }
# options_of PROGRAM [COMMAND]: by its --help
options_of() {
    "$B/$1" "${@:2}" --help 2>&1 | grep -E '^ +-' | grep -oE -- '(^|[ ,])--?[a-zA-Z][a-z-]*' | tr -d ' ,' | grep -vE '^-[a-z]{2,}$'
}

# unknown_metrics FILE…, unknown_events FILE…: that these name, and the code does not know; "\-" is "-"
unknown_metrics() {
    local word
    cat "$@" | sed 's/\\-/-/g' | grep -oE '\bfence_broker_[a-z_]+\b' | sort -u | while read -r word; do
        table metric | grep -qE "^${word%_@(bucket|sum|count)}(_total)? " || echo "there is no metric $word in the code, as it was last built (make all unit)"
    done
}
unknown_events() {
    local word
    cat "$@" | sed 's/\\-/-/g' | grep -oE 'FENCE_EVENT=[a-z-]+' | cut -d= -f2 | sort -u | while read -r word; do
        table event | grep -q "^$word " || echo "there is no event $word in the code, as it was last built (make all unit)"
    done
}
