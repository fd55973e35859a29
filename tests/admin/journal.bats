#!/usr/bin/env bats
# The kinds of what the daemon says in the journal: table, code and catalog are held against each other.

bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    TABLES=${BUILD:-build}/tables
    CATALOG=systemd/fence-broker.catalog
    T=$(mktemp -d "${TMPDIR:-/tmp}/fence-broker-journal.XXXXXX")
}

teardown() { rm -rf "$T"; }

@test "each kind of event has its entry in the catalog, and each entry its kind" {
    "$TABLES" | awk '$1 == "event" { print $2, $3 }' | sort >"$T/table"
    awk '/^# [a-z-]+$/ { name = $2 } /^-- / { print name, $2 }' "$CATALOG" | sort >"$T/catalog"
    [ -s "$T/table" ]
    diff "$T/table" "$T/catalog"
}

@test "journalctl takes the catalog, and knows every kind from it" {
    mkdir -p "$T/usr/lib/systemd/catalog" "$T/var/lib/systemd/catalog"
    cp "$CATALOG" "$T/usr/lib/systemd/catalog/"
    run --separate-stderr journalctl --root="$T" --update-catalog
    [ "$status" = 0 ]
    [ -z "$stderr" ]
    journalctl --root="$T" --list-catalog | awk '{ print $1 }' | sort >"$T/known"
    "$TABLES" | awk '$1 == "event" { print $3 }' | sort | diff - "$T/known"
}

@test "an entry has a subject, says what it means, and names the manual" {
    awk -v RS='' '
        /^-- |\n-- / { entry = $0; if (entry !~ /\nSubject: [^\n]+\nDefined-By: fence-broker\nDocumentation: man:fence_brokerd?\(8\)$/) { print "head: " entry; bad = 1 }
                       if (waits) { print "no words before: " entry; bad = 1 } waits = 1; next }
        { waits = 0 }
        END { exit bad || waits }' <(tail -n +3 "$CATALOG")
}

@test "the fields that the catalog shows are fields that the daemon gives" {
    local field
    for field in $(grep -o '@[A-Z_]*@' "$CATALOG" | tr -d @ | sort -u); do
        grep -rqE "\"$field\"" daemon || { echo "no line has the field $field"; false; }
    done
}

@test "each kind is said somewhere, and what is worth a notice has a kind" {
    local kind
    for kind in $(grep -oE '\bKIND_[A-Z_]+' daemon/system/log_kinds.h | grep -v KIND_COUNT); do
        grep -rqw --include='*.c' --exclude=log_kinds.c "$kind" daemon || { echo "$kind is never said"; false; }
    done
    # a remark is of no kind, and never more than information
    run grep -rnE 'log_remark\((LOG_(EMERG|ALERT|CRIT|ERR|WARNING|NOTICE)|[^L])' daemon --include='*.c'
    [ "$output" = "$(grep -n '^void log_remark(int priority' daemon/system/log.c | sed 's,^,daemon/system/log.c:,')" ]
}

@test "the manual lists the same kinds with the same priorities, and no others" {
    "$TABLES" | awk 'BEGIN { split("emerg alert crit err warning notice info debug", priority) }
        $1 == "event" { print $2, priority[$4 + 1] }' | sort >"$T/table"
    sed -n '/^\.SH EVENTS/,/^\.SS Fields/p' man/fence_brokerd.8 | sed -nE 's/^\.BR ([^ ]+) " \((.*)\)"$/\1 \2/p' |
        sed 's/\\-/-/g' | sort | diff "$T/table" -
}
