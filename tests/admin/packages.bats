#!/usr/bin/env bats
# What packages are made of: one version everywhere, every installed file in a package, the completion. The packages themselves: make check-deb.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    D=$(mktemp -d "${TMPDIR:-/tmp}/fence-broker-packages.XXXXXX")
    B=$(cd "${BUILD:-build}" && pwd)
}
teardown() { rm -rf "$D"; }

@test "one version: Makefile, debian/changelog, the spec, its changelog" {
    version=$(sed -nE 's/^VERSION +:= //p' Makefile)
    [ "$(sed -nE '1s/^fence-broker \(([^-]*)-.*/\1/p' debian/changelog)" = "$version" ]
    [ "$(sed -nE 's/^Version: +//p' packaging/rpm/fence-broker.spec)" = "$version" ]
    grep -q "^\* .* - $version-" packaging/rpm/fence-broker.spec
}

@test "what is installed is packed, and the units of dh_installsystemd are those that there are" {
    make -s -o all "B=$B" install install-sim DESTDIR="$D" prefix=/usr sysconfdir=/etc
    patterns=$(cat debian/*.install; printf '%s\n' usr/lib/systemd/system)
    (cd "$D" && find . ! -type d | sed 's|^\./||') | while read -r file; do
        for pattern in $patterns; do
            [[ $file != "$pattern" && $file != "$pattern"/* ]] || continue 2
        done
        echo "in no package: $file"
    done >"$D.left"
    cat "$D.left"
    [ ! -s "$D.left" ] && rm "$D.left"
    for unit in systemd/*.socket systemd/*.service systemd/*.timer; do
        unit=${unit##*/}
        [[ $unit == *@* ]] || grep -q "[ -]$unit\\b" debian/rules || { echo "dh_installsystemd does not know $unit"; false; }
    done
}

# complete WORD…: what is offered for the last one
complete_words() {
    PATH=$B:$PATH bash -c '
        source packaging/completion/fence_broker.bash
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _fence_broker "$1" "${@: -1}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf "%s\n" "${COMPREPLY[@]}"' - "$@"
}

@test "completion: commands, their options, values; without a broker no guests, and not a word" {
    [ "$(complete_words fence_broker reb)" = reboot ]
    [ "$(complete_words fence_broker reboot --me)" = --method ]
    [ "$(complete_words fence_broker reboot --method c)" = cycle ]
    [ "$(complete_words fence_broker -o list-)" = list-status ]
    [ "$(complete_words fence-broker-admin prov)" = provision ]
    [ "$(complete_words fence-broker-admin provision --secret)" = --secret-file ]
    [ -z "$(complete_words fence_broker off --socket "$D/none.sock" '' 2>&1)" ]
}

@test "completion: guests are asked from the broker that --socket names" {
    mkdir "$D/bin"
    printf '%s\n' '#!/bin/sh' '[ "$*" = "-o list -C , --socket /run/other.sock" ] && printf "101,node1\n102,node2\n"' >"$D/bin/fence_broker"
    chmod 755 "$D/bin/fence_broker"
    B=$D/bin
    [ "$(complete_words fence_broker off --socket /run/other.sock n | tr '\n' ' ')" = "node1 node2 " ]
    [ "$(complete_words fence_broker --socket /run/other.sock -o off -n node2)" = node2 ]
}

# zsh_completes LINE: what a tabulator makes of it, in a zsh at a terminal
zsh_completes() {
    sed "s|/usr/share/bash-completion/completions/fence_broker|$PWD/packaging/completion/fence_broker.bash|" packaging/completion/fence_broker.zsh \
        >"$D/_fence-broker"
    # shellcheck disable=SC2016
    PATH=$B:$PATH TERM=dumb timeout 30 zsh -f -c '
        zmodload zsh/zpty
        zpty Z zsh -f -i
        zpty -w Z "PS1= RPS1=; stty -echo; fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -d $1/dump; bindkey \"^I\" complete-word"
        zpty -w Z "said() { print -r -- \"<<\$LBUFFER>>\"; }; zle -N said; bindkey \"^X\" said; print READ\"\"Y"
        zpty -r Z out "*READY*"
        zpty -n -w Z "$2"$'\''\t\x18'\''
        zpty -r Z out "*<<*>>*"
        zpty -d Z
        out=${out##*<<}
        print -r -- "${out%%>>*}"' - "$D" "$1"
}

@test "completion in zsh is the same" {
    [ -n "$(type -P zsh)" ] || skip "zsh is not here"
    [ "$(zsh_completes 'fence_broker reb')" = "fence_broker reboot " ]
    [ "$(zsh_completes 'fence_broker reboot --method c')" = "fence_broker reboot --method cycle " ]
    [ "$(zsh_completes 'fence-broker-admin prov')" = "fence-broker-admin provision " ]
    [ "$(zsh_completes 'fence-broker-admin provision --secret')" = "fence-broker-admin provision --secret-file " ]
}
