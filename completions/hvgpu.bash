# SPDX-License-Identifier: GPL-2.0-or-later
# Completion for bash: commands and options as `hvgpu --help` lists them, so they cannot differ.
# Hosts are not asked: that would be slow, and might need a password.

_hvgpu_help() {
    LANGUAGE=en LC_ALL=C.UTF-8 hvgpu "$@" --help 2>/dev/null
}

# "gpu list", "vmx enable-3d" ...: the words in small letters behind two blanks.
_hvgpu_commands() {
    _hvgpu_help | sed -n '/^Commands$/,/^$/s/^  \([a-z][a-z0-9 -]*[a-z]\)\( [A-Z[].*\|  .*\)$/\1/p' |
        sed 's/  .*//'
}

_hvgpu() {
    # Not COMP_WORDS: bash cuts at colons too, and hosts have them (sim:laptop).
    local line=${COMP_LINE:0:COMP_POINT} all=() words=() word current previous typed i=1 command=''

    read -ra all <<<"$line"
    [[ $line == *[[:space:]] ]] && all+=('')
    current=${all[-1]} previous=${all[-2]}
    while ((i < ${#all[@]} - 1)); do
        word=${all[i]}
        case $word in
        -H | --host | --inventory | --user | --password-file | --auth | --ca | --timeout | --jobs | --pin | --cert | --cert-key | --keytab) ((i++)) ;;
        -*) ;;
        *) words+=("$word") ;;
        esac
        ((i++))
    done
    COMPREPLY=()

    # The command so far: the longest beginning that is one.
    typed="${words[*]:0:2}"
    while read -r word; do
        [[ "$typed " == "$word "* && ${#word} -gt ${#command} ]] && command=$word
    done < <(_hvgpu_commands)

    if [[ $current == -* ]]; then
        # shellcheck disable=SC2086 # the words of a command are separate
        mapfile -t COMPREPLY < <(compgen -W "$(_hvgpu_help $command | grep -oE -- '--[a-z][a-z-]*')" -- "$current")
    elif [[ $previous == -* ]]; then
        case $previous in
        --inventory | --password-file | --ca | --cert | --cert-key | --keytab | --disk | --from | --output | -o)
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            ;;
        esac
    elif [[ -z $command ]]; then
        # The next word of every command that begins like this.
        mapfile -t COMPREPLY < <(compgen -W "$(_hvgpu_commands |
            sed -n "s/^${words[*]:+${words[*]} }\([a-z0-9-]*\).*/\1/p" | sort -u)" -- "$current")
    elif [[ $command == 'driver inf' || $command == 'image show' || $command == vmx* || $command == diff || $command == apply ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    fi
}

complete -o filenames -F _hvgpu hvgpu
