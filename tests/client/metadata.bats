#!/usr/bin/env bats
# What the agent says of itself must please the fence agents' schema, Pacemaker, and the people who read it.

load helper

RNG=/usr/share/cluster/relaxng/metadata.rng

setup() { client_setup; }
teardown() { client_teardown; }

xpath() {
    xmllint --xpath "$1" "$T/metadata.xml"
}

@test "metadata validates against the fence agents' schema" {
    [[ -e $RNG ]] || skip "fence-agents is not installed"
    echo action=metadata | "$CLIENT" >"$T/metadata.xml"
    xmllint --noout --relaxng "$RNG" "$T/metadata.xml"
}

@test "metadata, meta-data and manpage are the same, on standard input and as options" {
    echo action=metadata | "$CLIENT" >"$T/a"
    for name in metadata meta-data manpage METADATA; do
        "$CLIENT" -o "$name" </dev/null | cmp - "$T/a"
        echo "action=$name" | "$CLIENT" | cmp - "$T/a"
    done
}

@test "metadata needs no broker, no rights and no directory" {
    [[ $(id -u) == 0 ]] || skip "needs root to become somebody else"
    install -m 755 "$CLIENT" "$T/client"
    cd "$T"
    echo action=metadata | setpriv --reuid 12345 --regid 12345 --clear-groups env -i "$T/client" >/dev/null
}

@test "plug obsoletes port, which is deprecated; no parameter is required; nothing is automatic or unfencing" {
    "$CLIENT" -o metadata >"$T/metadata.xml"
    is "$(xpath 'string(//parameter[@name="plug"]/@obsoletes)')" port
    is "$(xpath 'string(//parameter[@name="port"]/@deprecated)')" 1
    is "$(xpath 'count(//parameter[@required="1"])')" 0
    is "$(xpath 'count(//action[@automatic or @on_target])')" 0
    is "$(xpath 'count(//*[@provides])')" 0
}

@test "every parameter has unique, required, getopt, content and an English shortdesc, and no name comes twice" {
    "$CLIENT" -o metadata >"$T/metadata.xml"
    all=$(xpath 'count(//parameter)')
    is "$(xpath 'count(//parameter[@unique and @required and getopt/@mixed and content/@type and string-length(shortdesc[@lang="en"])>0])')" "$all"
    is "$(xpath '//parameter/@name' | sort | uniq -d)" ""
}

@test "all actions are declared" {
    "$CLIENT" -o metadata >"$T/metadata.xml"
    for name in on off reboot status list list-status monitor metadata manpage validate-all; do
        is "$(xpath "count(//action[@name=\"$name\"])")" 1
    done
}

@test "every declared parameter is accepted on standard input and as an option" {
    "$CLIENT" -o metadata >"$T/metadata.xml"
    for name in $(xpath '//parameter/@name' | sed 's/.*name="\([^"]*\)".*/\1/'); do
        value=$(xpath "string(//parameter[@name=\"$name\"]/content/@default)")
        [[ $name == action ]] && continue
        [[ $name == debug* ]] && value=$T/debug
        [[ $name == version || $name == help ]] && value=0
        printf 'action=validate-all\n%s=%s\n' "$name" "${value:-1}" | "$CLIENT" 2>"$T/err" >/dev/null
        is "$(grep -v debug: "$T/err" || true)" ""
        option=$(xpath "string(//parameter[@name=\"$name\"]/getopt/@mixed)" | sed 's/.*--\([a-z-]*\).*/\1/')
        if xpath "string(//parameter[@name=\"$name\"]/getopt/@mixed)" | grep -q =; then
            "$CLIENT" -o validate-all "--$option=${value:-1}" >/dev/null
        else
            "$CLIENT" -o validate-all "--$option" >/dev/null 2>&1
        fi
    done
}

@test "the manual page names every parameter, action and command" {
    "$CLIENT" -o metadata >"$T/metadata.xml"
    page=$ROOT/man/fence_broker.8
    for word in $(xpath '//parameter/@name' | sed 's/.*name="\([^"]*\)".*/\1/') $(xpath '//action/@name' | sed 's/.*name="\([^"]*\)".*/\1/') \
        targets history explain metrics; do
        sed 's/\\-/-/g' "$page" | grep -qw -- "$word" || { echo "not in the manual: $word" >&2; false; }
    done
}

@test "the manual page is clean troff" {
    command -v man >/dev/null || skip "man is not installed"
    is "$(LC_ALL=C.UTF-8 MANWIDTH=100 man --warnings -l "$ROOT/man/fence_broker.8" 2>&1 >/dev/null)" ""
}
