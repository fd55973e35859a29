# bash completion for fence_broker and fence-broker-admin. Commands and options are what the program's own --help says, and guests what the broker
# says, within a second and without a word when it does not answer. zsh takes it, too (_fence-broker): nothing here is bash's alone.
# shellcheck shell=bash

_fence_broker_commands() { "$1" --help 2>/dev/null | sed -nE 's/^ {2,4}([a-z]+)( +[A-Z[].*| {2,}.*)$/\1/p'; }
_fence_broker_options() { "$@" --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]*' | sort -u; }

# the names by which a guest can be asked for
_fence_broker_guests() {
    local socket=()
    [[ -z $1 ]] || socket=(--socket "$1")
    timeout 1 fence_broker -o list -C , "${socket[@]}" 2>/dev/null | tr , '\n'
}

_fence_broker() {
    local program=$1 word=$2 before=$3 command='' socket='' i words
    COMPREPLY=()
    # zsh gives "--" for a word that is not begun
    [[ -n ${COMP_WORDS[COMP_CWORD]} ]] || word=''
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -s | --socket) socket=${COMP_WORDS[i + 1]} ;;
        [a-z]*) [[ -n $command || ${COMP_WORDS[i - 1]} == -* ]] || command=${COMP_WORDS[i]} ;;
        esac
    done
    case $before in
    -s | --socket | -c | --config | --ca-file | --secret-file | --user-cfg | -D | --debug-file)
        # shellcheck disable=SC2207
        COMPREPLY=($(compgen -f -- "$word"))
        return
        ;;
    -m | --method) words='onoff cycle' ;;
    -o | --action) words='off on reboot status list list-status monitor metadata manpage validate-all' ;;
    -n | --plug) words=$(_fence_broker_guests "$socket") ;;
    *)
        if [[ $word == -* ]]; then
            words=$(_fence_broker_options "$program" ${command:+"$command"})
        elif [[ -z $command ]]; then
            words=$(_fence_broker_commands "$program")
        else
            case ${program##*/}:$command in
            fence_broker:off | fence_broker:on | fence_broker:reboot | fence_broker:targets | fence_broker:rehearse)
                words=$(_fence_broker_guests "$socket")
                ;;
            fence-broker-admin:verify) words=$(compgen -f -- "$word") ;;
            fence_broker:explain) words=$(timeout 1 fence_broker history ${socket:+--socket "$socket"} 2>/dev/null | awk 'NR > 1 { print $1 }') ;;
            esac
        fi
        ;;
    esac
    # shellcheck disable=SC2207
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -F _fence_broker fence_broker fence-broker-admin
