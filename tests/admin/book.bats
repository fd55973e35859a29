#!/usr/bin/env bats
# What is read on a forge or on paper: README, the book and what else is Markdown, against the programs and the files. Each link leads somewhere,
# and commands, options, keys, metrics, alerts, units, manuals and files that are named are there. What its first chapter says is done in
# tests/e2e/newuser.bats.

shopt -s extglob

setup() {
    source "$BATS_TEST_DIRNAME/words.bash"
    words_setup
    MARKDOWN=tests/admin/markdown
    BOOK=(doc/book/[0-9][0-9]-*.md)
    # what people follow; the figures of doc/benchmarks.md are of their day
    GUIDES=(README.md SECURITY.md CONTRIBUTING.md doc/!(benchmarks).md doc/runbooks/*.md doc/screens/README.md doc/book/*.md)
}
teardown() { rm -rf "$T"; }

# none WHAT: nothing was printed
none() { [ -z "$output" ] || { printf '%s:\n%s\n' "$1" "$output"; return 1; }; }

# ---- links ----

# dead_links FILE…
dead_links() {
    local at target file path
    "$MARKDOWN" anchors $(printf '%s\n' "$@" | sort -u) >"$T/anchors"
    "$MARKDOWN" links "$@" | while IFS=$'\t' read -r at target; do
        file=${at%:*} path=${target%%#*}
        if [ -n "$path" ]; then
            path=$(realpath -m --relative-to=. "$(dirname "$file")/$path")
        else
            path=$file
        fi
        [ -e "$path" ] || { echo "$at: $target: there is no $path"; continue; }
        [[ $target != *'#'* || $path != *.md ]] || grep -qxF "$path#${target#*#}" "$T/anchors" ||
            { "$MARKDOWN" anchors "$path" | grep -qxF "$path#${target#*#}"; } || echo "$at: $target: there is no such heading"
    done
}

@test "each link leads to a file that is there, and each anchor to a heading of it" {
    run dead_links "${GUIDES[@]}" doc/benchmarks.md
    none 'links that lead nowhere'
}

@test "the book leads only to what is installed with it, each of its headings is one of a kind, and its index has each chapter once" {
    run grep -nE '\]\(\.\./\.\./' doc/book/*.md
    none 'not installed'
    run bash -c '"$@" | sed "s/.*#//" | sort | uniq -d' - "$MARKDOWN" anchors "${BOOK[@]}"
    none 'headings that are there twice (the HTML is one page)'
    printf '%s\n' "${BOOK[@]##*/}" >"$T/chapters"
    "$MARKDOWN" links doc/book/README.md | cut -f2 | grep '^[0-9]' | diff "$T/chapters" -
}

@test "what is installed has no link that leads nowhere" {
    make -s -o all "B=$B" install DESTDIR="$T/root" prefix=/usr sysconfdir=/etc
    cd "$T/root/usr/share/doc/fence-broker"
    MARKDOWN=$BATS_TEST_DIRNAME/markdown
    run dead_links *.md book/*.md runbooks/*.md screens/*.md
    none 'links that lead nowhere'
}

# ---- commands and their options ----

# unknown_words FILE…: of the commands that are shown, what the programs do not know
unknown_words() {
    local at program arguments word words command
    "$MARKDOWN" commands "$@" | while IFS=$'\t' read -r at program arguments; do
        # shellcheck disable=SC2086
        set -f -- $arguments
        [ $# -gt 0 ] || continue
        if [[ $program = fence_broker && $1 = [a-z]*([a-z_])=* ]]; then # a device: pcs … fence_broker KEY=VALUE …
            for word; do
                [[ $word = *=* && $word != @(pcmk_*|interval=*|timeout=*) ]] || continue
                grep -qx "${word%%=*}" "$T/parameters" || echo "$at: the agent has no parameter ${word%%=*}"
            done
            continue
        fi
        command=
        if [[ $1 != -* ]]; then
            command=$1
            grep -qx -- "$command" "$T/commands.$program" || { echo "$at: $program has no command $command"; continue; }
        fi
        [ -e "$T/options.$program.$command" ] || options_of "$program" $command >"$T/options.$program.$command"
        for word; do
            word=${word%%=*} word=${word#[} word=${word%]}
            [[ $word = -* && $word != - ]] || continue
            [[ $word != @(-h|--help|-V|--version) ]] || continue
            grep -qx -- "$word" "$T/options.$program.$command" || echo "$at: $program $command has no option $word"
        done
    done
}

# words_known: what unknown_words looks at
words_known() {
    local program
    for program in fence_broker fence-broker-admin; do commands_of "$program" >"$T/commands.$program"; done
    "$B/fence_broker" -o metadata | sed -nE 's/.*<parameter name="([^"]*)".*/\1/p' >"$T/parameters"
    "$B/fence_broker" --help | sed -n '/^As a fence agent/,$p' | grep -oE -- '(^|[ ,])--?[a-zA-Z][a-z-]*' | tr -d ' ,' >"$T/options.fence_broker."
}

@test "commands that are shown are those of the programs, with options that they have" {
    words_known
    run unknown_words "${GUIDES[@]}"
    none 'the programs do not know'
}

@test "what no program knows is found" {
    words_known
    printf '%s\n' '`fence_broker stauts`, `fence_broker off node1 --dryrun`' '' '```sh' 'sudo fence-broker-admin provision --pool p \' '    --gests 1' \
        'pcs stonith create f fence_broker pcmk_off_timeout=1s sockt=/x' 'fence_broker -o off -n node1 --hurry' '```' >"$T/x.md"
    run unknown_words "$T/x.md"
    [ "${#lines[@]}" = 5 ]
}

# ---- the configuration ----

# config_errors FILE…: what the reader of the configuration says about the blocks "```ini" (also "```ini run") in them
config_errors() {
    local block key
    rm -rf "$T/ini" && mkdir -m 755 "$T/ini"
    chmod 755 "$T" # where there is a user fence-broker, it reads them
    "$MARKDOWN" blocks "$T/ini" "$@"
    echo 11111111-2222-3333-4444-555555555555 >"$T/secret"
    chmod 640 "$T/secret"
    for block in "$T"/ini/*.ini*; do
        grep -q '^\[proxmox\]' "$block" || printf '[proxmox]\n' >>"$block"
        grep -qE '^(token-id|user) = ' "$block" || sed -i '/^\[proxmox\]/a token-id = fence@pve!broker' "$block"
        for key in 'endpoint = pve1' 'pool = nfs_cluster' "secret-file = $T/secret"; do
            grep -q "^${key%% *} = " "$block" || sed -i "/^\[proxmox\]/a $key" "$block"
        done
        # these files are not here
        sed -i -E "/^ca-file = /d; s,^(secret-file|totp-file) = .*,\1 = $T/secret," "$block"
        chmod 644 "$block"
        "$B/fence-broker-admin" check -c "$block" 2>&1 | grep -E "$block:[0-9]+:" | sed "s|^|$(head -n 1 "$block"): |" || true
    done
}

@test "the daemon understands each piece of configuration that is shown" {
    run config_errors "${GUIDES[@]}"
    none 'not understood'
    compgen -G "$T/ini/*.ini" >/dev/null
}

@test "a piece of configuration that nothing understands is found" {
    printf '%s\n' '```ini' '[fence]' 'dead-hots = fail' '```' '```ini' '[proxmox]' 'poll-interval = soon' '```' '```ini' '[access]' 'enable-acl = yes' '' \
        '[user bob]' 'rule = write guest:101 action:rebot' '```' >"$T/x.md"
    run config_errors "$T/x.md"
    [ "${#lines[@]}" = 3 ] || { echo "$output"; false; }
}

@test "keys of the configuration that a sentence names are there" {
    table key | awk '{ print $2 }' | sort -u >"$T/keys"
    run bash -c '"$@" | sed -nE "s/^([^\t]*)\t\`\t([a-z]+-[a-z-]+) = .*/\1 \2/p" | grep -vwFf "'"$T/keys"'"' - "$MARKDOWN" code "${GUIDES[@]}"
    none 'no such key'
}

# ---- names ----

@test "each reason of a verdict and each error code has its cause and its way out in the book (make doc/book/90-words.md)" {
    BUILD=$B tests/admin/book-words | diff -u doc/book/90-words.md -
}

@test "metrics, events and alerts that are named are there" {
    run unknown_metrics "${GUIDES[@]}"
    none metrics
    run unknown_events "${GUIDES[@]}"
    none events
    sed -nE 's/.*alert: (FenceBroker[A-Za-z]+)$/\1/p' conf/prometheus/fence-broker.rules.yml >"$T/alerts"
    run bash -c 'grep -ohE "\bFenceBroker[A-Z][a-z][A-Za-z]+" "$@" | sort -u | grep -vxFf "'"$T/alerts"'"' - "${GUIDES[@]}"
    none 'no such alert'
}

@test "units, manuals and files that are named are there" {
    local name
    make -s -o all "B=$B" install install-sim DESTDIR="$T/root" prefix=/usr sysconfdir=/etc
    grep -ohE '\bfence-broker[a-z-]*(@[a-zA-Z]*)?\.(service|socket|timer)\b' "${GUIDES[@]}" | sed -E 's/@[a-zA-Z]+/@/' | sort -u >"$T/units"
    while read -r name; do [ -e "systemd/$name" ] || { echo "no unit $name"; false; }; done <"$T/units"
    grep -ohE '\bfence[a-z_.-]+\([1-8]\)' "${GUIDES[@]}" | tr '(' . | tr -d ')' | grep -vE '^fence_(agents?|pve|kdump|virt|xvm|sbd)\.' | sort -u >"$T/manuals"
    while read -r name; do [ -e "man/$name" ] || { echo "no manual $name"; false; }; done <"$T/manuals"
    grep -ohE '/usr/(s?bin|libexec|share)/[A-Za-z0-9_./-]*fence[A-Za-z0-9_./-]*[A-Za-z0-9]' "${GUIDES[@]}" | sort -u >"$T/files"
    while read -r name; do [ -e "$T/root$name" ] || [[ $name = */README.Debian ]] || { echo "nothing installs $name"; false; }; done <"$T/files"
    [ -s "$T/units" ] && [ -s "$T/manuals" ] && [ -s "$T/files" ]
}
