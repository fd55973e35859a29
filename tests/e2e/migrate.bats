#!/usr/bin/env bats
# What fence-broker-admin migrate prints for crmsh, on copies of configurations: crmsh understands it, and it leads there, and back. As root, for crm
# writes a log; with Pacemaker 2.1, whose configurations these are. No Pacemaker runs here.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    B=${BUILD:-build}
    [[ $B == /* ]] || B=$PWD/$B
    ADMIN=$B/fence-broker-admin
    T=$(mktemp -d "${TMPDIR:-/tmp}/fence-broker-migrate.XXXXXX")
}

teardown() { rm -rf "$T"; }

# crm NUMBER: runs the printed block, on the file
crm_block() {
    awk -v wanted="$1" '/^crm configure <</ { n++; on = n == wanted; next } /^END$/ { on = 0 } on' "$T/out" >"$T/block"
    [ -s "$T/block" ]
    CIB_file=$T/cib.xml HOME=$T crm -F configure <"$T/block" >"$T/log" 2>&1 || { cat "$T/block" "$T/log"; false; }
}
levels() { xmllint --xpath '//fencing-level' "$T/cib.xml" 2>/dev/null | perl -ne 'print join(" ", sort grep { !/^id=/ } /[\w-]+="[^"]*"/g), "\n" if /</' | sort; }

# begin_crm FILE: a copy that this crmsh can change
begin_crm() {
    sed 's/crm_feature_set="[^"]*"/crm_feature_set="3.16.1"/' "$1" >"$T/cib.xml"
    "$ADMIN" migrate --cib "$T/cib.xml" >"$T/out"
}

@test "crmsh understands the commands: they lead there, and back" {
    command -v crm >/dev/null || skip "crmsh is not installed"
    crm_resource --version | grep -q '^Pacemaker 2\.1' || skip "crmsh is tried with Pacemaker 2.1"
    local before
    begin_crm tests/data/cib/21-*.xml # devices in a group, with constraints
    crm_block 1
    grep -q 'value="g1:0s;g2:7s"' "$T/cib.xml"
    levels | grep -q 'devices=.*fence-broker.*index="1"'
    crm_block 2
    crm_block 3
    [ "$("$ADMIN" migrate --check --cib "$T/cib.xml")" = 'Nothing hangs on fence_pve.' ]
    grep -q 'type="fence_broker"' "$T/cib.xml"
    [ -z "$(grep '<group ' "$T/cib.xml")" ]
    begin_crm tests/data/cib/26-*.xml # levels of several devices
    before=$(levels)
    crm_block 1
    [ "$(levels | wc -l)" = 6 ]
    crm_block 4
    [ "$(levels)" = "$before" ]
}
