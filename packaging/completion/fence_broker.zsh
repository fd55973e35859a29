#compdef fence_broker fence-broker-admin
# zsh completion: bash's, which asks the programs and the broker
autoload -Uz bashcompinit
bashcompinit
source /usr/share/bash-completion/completions/fence_broker
_bash_complete -F _fence_broker
