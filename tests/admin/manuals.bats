#!/usr/bin/env bats
# The manuals and the annotated configuration against the tables of the code, both ways: what the code knows is written down, and what is
# written down the code knows. The programs tell their tables themselves: build/tables, --help and the agent's metadata.

shopt -s extglob

setup() {
    source "$BATS_TEST_DIRNAME/words.bash"
    words_setup
}
teardown() { rm -rf "$T"; }

# heads FILE SECTION: what its entries are about
heads() { "$MANUAL" entries "$1" "$2" | cut -f1; }
# paragraph FILE SECTION: its words, all in one line
paragraph() { "$MANUAL" text "$1" "$2" | tr '\n' ' '; }

# listed WORDS… : "what (a, b, c)" as lines
in_brackets() { sed -nE "s/.*[ (]$1 \(([^)]*)\).*/\1/p" | tr ',' '\n' | sed -E 's/^ *| *$//g' | grep .; }

# ---- the form ----

@test "man and mandoc find nothing to say about any manual" {
    local page
    for page in man/*.[0-9] tests/pvesim/pvesim.1; do
        run mandoc -Tlint "$page"
        [ -z "$output" ] || { echo "$output"; false; }
        run env MANWIDTH=80 LC_ALL=C.UTF-8 man --warnings -l "$page"
        [ "$status" = 0 ]
        run bash -c 'MANWIDTH=80 LC_ALL=C.UTF-8 man --warnings -l "$1" 2>&1 >/dev/null' - "$page"
        [ -z "$output" ] || { echo "$page: $output"; false; }
    done
}

@test "commands and examples fit into 80 columns, so that no pager breaks what is pasted" {
    local page
    # but for the screens, which are as wide as they are, and the tables of the JSON
    for page in $(ls man/*.[0-9] | grep -vE 'screens|json'); do
        {
            sed -n '1,/^\.SH/p' "$page" | head -n -1
            awk '/^\.(nf|EX)/ { shown = 1; print ".SH X" } shown { print } /^\.(fi|EE)/ { shown = 0 }' "$page"
        } >"$T/page.8"
        MANWIDTH=80 LC_ALL=C.UTF-8 man -l "$T/page.8" | col -b | awk 'length($0) > 80 { print; wide = 1 } END { exit wide }' || { echo "$page"; false; }
    done
}

@test "each manual is installed, and has the usual sections" {
    local page
    make -pn install DESTDIR="$T" 2>/dev/null | grep -oE 'man/[a-z_.-]+\.[0-9]\b' | sort -u >"$T/installed"
    printf '%s\n' man/*.[0-9] | diff - "$T/installed"
    for page in man/*.[0-9]; do
        for section in NAME DESCRIPTION 'SEE ALSO'; do
            "$MANUAL" sections "$page" | grep -qx "$section" || { echo "$page has no $section"; false; }
        done
    done
}

@test "manuals refer to manuals that are there" {
    local name
    cat man/*.[0-9] | sed -nE 's/^\.BR (fence[a-z_.\\-]+) \(([0-9])\).*/\1.\2/p' | tr -d '\\' | sort -u >"$T/named"
    [ -s "$T/named" ]
    while read -r name; do
        [ -e "man/$name" ] || { echo "there is no manual $name"; false; }
    done <"$T/named"
}

@test "pvesim(1): its options, words and faults are those of --help and of the code" {
    local page=tests/pvesim/pvesim.1
    "$B/pvesim" --help | grep -oE -- '--[a-z-]+' | sort -u >"$T/code"
    heads "$page" OPTIONS | grep -oE -- '--[a-z-]+' | grep -vx -- --help >"$T/manual"
    same "$T/code" "$T/manual"
    heads "$page" CONTROL | tr ',' '\n' | tr -d ' ' | while read -r word; do
        "$B/pvesim" --help | sed -n '/^Words for ctl/,$p' | grep -qE "(^ *|[|·] ?)$word\b" || { echo "no word of ctl: $word"; false; }
    done
    grep -oP '^    \{"\K[a-z0-9-]+(?=", ")' tests/pvesim/fault.c >"$T/code"
    heads "$page" FAULTS | tr ',' '\n' | tr -d ' ' >"$T/manual"
    same "$T/code" "$T/manual"
    while read -r word; do
        "$B/pvesim" --help | grep -qE "(^ *|· )$word\b" || { echo "no fault in --help: $word"; false; }
    done <"$T/code"
}

# ---- fence-broker.conf(5) ----

@test "fence-broker.conf(5): the sections and keys of the code, and no others" {
    local section
    table key | awk '{ print $1, $2 }' >"$T/code"
    for section in $(table section); do
        heads "$CONF" "SECTION [$section]" | sed -nE "s/^([a-z-]+) = .*/$section \1/p"
    done >"$T/manual"
    same "$T/code" "$T/manual"
    table section >"$T/code"
    "$MANUAL" sections "$CONF" | sed -nE 's/^SECTION \[([a-z]+)\]$/\1/p' >"$T/manual"
    same "$T/code" "$T/manual"
}

@test "fence-broker.conf(5): defaults, and what may stand there more than once" {
    local section name often default text
    while read -r section name often default; do
        text=$("$MANUAL" entries "$CONF" "SECTION [$section]" | grep -- "^$name = ")
        if [ -n "$default" ]; then
            [[ $text == *[Dd]efault[:\ ]*"$default"* || $text == *"$default "*"(the default)"* || $text == *"$default, the default"* ]] ||
                { echo "$name: the default $default is not told: $text"; false; }
        fi
        if [ "$often" = repeatable ]; then [[ $text == *Repeatable* ]]; else [[ $text != *Repeatable* ]]; fi ||
            { echo "$name is $often: $text"; false; }
    done < <(table key)
}

@test "the annotated configuration has each key, with its default, and no others" {
    local section name often default line
    awk '/^#?\[/ { gsub(/[#\[\]]/, ""); section = $1 } /^#?[a-z-]+ = / { sub(/^#/, ""); print section, $1 }' \
        conf/fence-broker.conf | grep -vE '^(nodes|role|group|user) ' >"$T/manual"
    table key | awk '{ print $1, $2 }' >"$T/code"
    same "$T/code" "$T/manual"
    while read -r section name often default; do
        [ -n "$default" ] || continue
        line=$(awk -v section="$section" -v name="$name" '/^#?\[/ { gsub(/[#\[\]]/, ""); now = $1 }
            now == section { sub(/^#/, "") } now == section && $1 == name && $2 == "=" { print $3 }' conf/fence-broker.conf)
        [ "$line" = "$default" ] || { echo "$name = $line, but the default is $default"; false; }
    done < <(table key)
}

@test "fence-broker.conf(5): what rules can be about" {
    "$MANUAL" entries "$CONF" 'SECTIONS [role NAME], [group NAME], [user NAME]' >"$T/entries"
    sed -nE 's/^action:LIST\t.*these actions: ([a-z, ]*)\. .*/\1/p' "$T/entries" | tr ',' '\n' | tr -d ' ' >"$T/manual"
    table action >"$T/code"
    same "$T/code" "$T/manual"
    sed -nE 's/^what:LIST\t.*is about: ([^.]*)\..*/\1/p' "$T/entries" | sed 's/([^)]*)//' | tr ',' '\n' | tr -d ' ' >"$T/manual"
    table what >"$T/code"
    same "$T/code" "$T/manual"
}

# ---- fence_broker(8) ----

@test "fence_broker(8): the commands of --help, and no others" {
    commands_of fence_broker >"$T/code"
    heads "$CLIENT" COMMANDS | sed 's/[ [].*//' >"$T/manual"
    same "$T/code" "$T/manual"
    # and each is in the synopsis
    "$MANUAL" text "$CLIENT" SYNOPSIS | tr ' ' '\n' >"$T/synopsis"
    while read -r command; do grep -qx "$command" "$T/synopsis" || { echo "not in the synopsis: $command"; false; }; done <"$T/code"
}

@test "fence_broker(8): the options of its commands are in the synopsis" {
    "$B/fence_broker" --help | sed '/^As a fence agent/,$d' | grep -oE -- '--[a-z-]+' >"$T/code"
    sed -n '/^\.SH SYNOPSIS/,/^\.SH DESCRIPTION/p' "$CLIENT" | sed 's/\\-/-/g' | grep -oE -- '--[a-z-]+' >"$T/manual"
    same "$T/code" "$T/manual"
}

@test "fence_broker(8): the actions of the agent's metadata, and no others" {
    "$B/fence_broker" -o metadata | sed -nE 's/.*<action name="([^"]*)".*/\1/p' >"$T/code"
    # other words for metadata, as other agents have them
    heads "$CLIENT" 'ACTIONS OF THE FENCE AGENT' | tr ',' '\n' | tr -d ' ' | grep -vx 'meta-data' >"$T/manual"
    same "$T/code" "$T/manual"
}

@test "fence_broker(8): the parameters of the agent's metadata with their options, and no others" {
    local section='PARAMETERS OF THE FENCE AGENT' name
    "$B/fence_broker" -o metadata | awk -F'"' '
        /<parameter / { name = $2; old = /deprecated="1"/; if (old) print name >"'"$T/old"'"; else print name }
        /<getopt / && !old { count = split($2, words, /[ ,=]+/); for (i = 1; i <= count; i++) if (words[i] ~ /^-/) print name, words[i] }' >"$T/code"
    heads "$CLIENT" "$section" | tr -d ',' | awk '{ print $1; for (i = 2; i <= NF; i++) print $1, $i }' >"$T/manual"
    same "$T/code" "$T/manual"
    while read -r name; do
        paragraph "$CLIENT" "$section" | grep -qw -- "$name" || { echo "the old word $name is not told"; false; }
    done <"$T/old"
}

@test "fence_broker(8): the reasons with their severity and how soon they are told, and no others" {
    local name severity seen
    table reason | awk '{ all[$1] = all[$1] (all[$1] == "" ? "" : ", ") $2 } END { for (name in all) print name " (" all[name] ")" }' >"$T/code"
    heads "$CLIENT" REASONS >"$T/manual"
    same "$T/code" "$T/manual"
    while read -r name severity seen; do
        "$MANUAL" entries "$CLIENT" REASONS | grep "^$name (" | grep -qiF -e "told within $seen" -e "told $seen" || { echo "$name: told within $seen"; false; }
    done < <(table reason)
}

# ---- fence_brokerd(8) ----

without_help() { grep -vxE -- '-h|--help' "$1" >"$1.less"; mv "$1.less" "$1"; }

@test "fence_brokerd(8) and fence-broker-admin(8): the options of the daemon and of the commands, and no others" {
    options_of fence_brokerd >"$T/code"
    heads "$DAEMON" OPTIONS | grep -oE -- '(^|[ ,])--?[a-zA-Z][a-z-]*' | tr -d ' ,' >"$T/manual"
    same "$T/code" "$T/manual"
    for command in check doctor audit provision migrate acl fenced; do
        options_of fence-broker-admin "$command" >"$T/code"
        without_help "$T/code"
        heads "$ADMIN" "${command^^}" | grep -oE -- '(^|[ ,])--?[a-zA-Z][a-z-]*' | tr -d ' ,' >"$T/manual"
        same "$T/code" "$T/manual"
    done
}

@test "fence_brokerd(8) and fence-broker-admin(8): the synopsis has the options of doctor, and none that nobody knows" {
    { "$MANUAL" text "$DAEMON" SYNOPSIS; "$MANUAL" text "$ADMIN" SYNOPSIS; } | grep -oE -- '(^|[][ (|])--?[a-zA-Z][a-z-]*' | tr -d '][ (|' | sort -u >"$T/synopsis"
    options_of fence-broker-admin doctor | sort -u >"$T/doctor"
    [ -s "$T/doctor" ]
    # its long names do where both are there
    [ -z "$(grep -vxE -- "--(config|socket)" "$T/doctor" | comm -23 - "$T/synopsis")" ]
    { options_of fence_brokerd; for command in $(commands_of fence-broker-admin); do options_of fence-broker-admin "$command"; done; } | sort -u | comm -13 - "$T/synopsis" >"$T/unknown"
    [ ! -s "$T/unknown" ] || { echo "only the manual knows these:"; cat "$T/unknown"; false; }
}

@test "fence_brokerd(8): the routes and the parameters of their queries, and no others" {
    table route >"$T/code"
    sed -n '/^\.SH THE SOCKET/,/^\.fi/p' "$DAEMON" | sed -nE '/^(GET|POST) /{s/\\-/-/g;p}' | sed -E 's,/[A-Z]+,/*,g' >"$T/manual"
    same "$T/code" "$T/manual"
    table route | grep -oE '\?[a-z-]+=' >"$T/code"
    heads "$DAEMON" 'THE SOCKET' | grep -oE '\?[a-z-]+=' >"$T/manual"
    same "$T/code" "$T/manual"
}

@test "fence_brokerd(8): the error codes with their status, and no others" {
    table error | awk '{ print $1, "(" $2 ")" }' >"$T/code"
    heads "$DAEMON" 'ERROR CODES' >"$T/manual"
    same "$T/code" "$T/manual"
}

@test "fence_brokerd(8): outcomes, verdicts, levels, steps and judgements in the words of the code" {
    local word
    for word in outcome verdict level step judgement; do
        table "$word" >"$T/code"
        paragraph "$DAEMON" 'THE SOCKET' | sed 's/verdict (the same in words)//' | in_brackets "$word" >"$T/manual"
        same "$T/code" "$T/manual"
    done
}

@test "fence_brokerd(8): the members of the JSON, and no others" {
    local word
    grep -rhoE '(json|view)_put_[a-z_]+\([&a-z]+, "[a-z_]+"' daemon/server |
        sed -E 's/view_put_time\(.*"(.*)"/\1_at/; s/.*"(.*)"/\1/' | sort -u >"$T/code"
    [ -s "$T/code" ]
    "$MANUAL" text "$DAEMON" 'THE SOCKET' >"$T/text"
    while read -r word; do
        grep -qw -- "$word" "$T/text" || { echo "only the code knows $word"; false; }
    done <"$T/code"
    # such words cannot be anything else
    for word in $(grep -oE '\b[a-z]+(_[a-z0-9]+)+\b' "$T/text" | grep -vE '^(fence_brokerd?|something_.*)$' | sort -u); do
        grep -rqF -e "\"$word\"" -e "\"${word%_@(at|age_s)}\"" daemon/server daemon/fence || { echo "only the manual knows $word"; false; }
    done
}

@test "fence_brokerd(8): why a request is denied" {
    table denial >"$T/code"
    paragraph "$DAEMON" 'WHO ASKED FOR WHAT' | sed -nE 's/.*FENCE_DENIED is ([^.]*)\..*/\1/p' | sed -E 's/\([^)]*\)//g; s/ or /,/' |
        tr ',' '\n' | tr -d ' ' >"$T/manual"
    same "$T/code" "$T/manual"
}

@test "fence_brokerd(8): the fields of the journal, and no others" {
    grep -rhoE --include='*.c' --include='log.h' '\{"[A-Z]+_[A-Z_]+",' daemon | tr -d '{",' >"$T/code"
    echo FENCE_EVENT >>"$T/code"
    echo MESSAGE_ID >>"$T/code"
    { "$MANUAL" text "$DAEMON" 'WHO ASKED FOR WHAT'; "$MANUAL" text "$DAEMON" EVENTS; } |
        grep -oE '\b(FENCE|PEER|PVE|ERROR|MESSAGE)_[A-Z_]+\b' >"$T/manual"
    same "$T/code" "$T/manual"
}

# ---- fence-broker-metrics(7) ----

@test "fence-broker-metrics(7): the metrics with their types and labels, and no others" {
    table metric | sed 's/ *$//' >"$T/code"
    "$MANUAL" entries man/fence-broker-metrics.7 METRICS | sed -E 's/\t([a-z]+)( \{([a-z, ]*)\})?\..*/ \1 \3/; s/,//g; s/ *$//' >"$T/manual"
    same "$T/code" "$T/manual"
}

# ---- all of them ----

@test "the metrics and events that manuals name are there" {
    run unknown_metrics man/*.[0-9]
    [ -z "$output" ] || { echo "$output"; false; }
    run unknown_events man/*.[0-9]
    [ -z "$output" ] || { echo "$output"; false; }
}
