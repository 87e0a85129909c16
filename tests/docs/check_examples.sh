#!/bin/bash
# The examples of a page are real: each block marked `console` is run from top to bottom in one new folder that has samples/
# and models/ of the repository, and must print what the page shows. `$ ` begins a command, `> ` goes on with it, the rest
# is what it prints, on stdout and stderr. White space doesn't count (long lines are broken for reading), and `…` stands
# for anything (times, what is left out).
# usage: check_examples.sh REPOSITORY FOLDER_OF_TESSERA PAGE.md
set -u
repo=$1 bin=$2 page=$(realpath "$3")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PATH=$bin:$PATH XDG_STATE_HOME=$work/.state HOME=$work NO_COLOR=1
ln -s "$repo/samples" "$repo/models" "$work/"
cd "$work" || exit 1

command='' want='' at=0 n=0 bad=0

# What stands between the `…`s, as a pattern of the shell.
as_pattern() {
    printf '%s' "$1" | tr -d ' \t\r\n' | sed -e 's/[][\\*?]/\\&/g' -e 's/…/*/g'
}

check() {
    [ -n "$command" ] || return 0
    local got flat pattern
    if ! command -v "${command%% *}" >/dev/null; then
        echo "${page##*/}:$at: left out, for there is no ${command%% *}"
        command=''
        return 0
    fi
    got=$(eval "$command" 2>&1 </dev/null)
    flat=$(printf '%s' "$got" | tr -d ' \t\r\n')
    pattern=$(as_pattern "$want")
    n=$((n + 1))
    # shellcheck disable=SC2254
    case $flat in
        $pattern) ;;
        *)
            bad=$((bad + 1))
            printf '%s:%d: %s\n--- the page\n%s--- printed\n%s\n' "${page##*/}" "$at" "$command" "$want" "$got"
            ;;
    esac
    command=''
}

in_block=no line_no=0
while IFS= read -r line || [ -n "$line" ]; do
    line_no=$((line_no + 1))
    if [ $in_block = no ]; then
        [ "$line" = '```console' ] && in_block=yes
        continue
    fi
    case $line in
        '```') check; in_block=no ;;
        '$ '*) check; command=${line#??} want='' at=$line_no ;;
        '> '*) if [ -z "$want" ]; then command+=$'\n'${line#??}; else want+=$line$'\n'; fi ;;
        *) want+=$line$'\n' ;;
    esac
done <"$page"

if [ $n = 0 ]; then
    echo "${page##*/}: no example" >&2
    exit 1
fi
echo "${page##*/}: $n commands, $bad differ from the page"
[ $bad = 0 ]
