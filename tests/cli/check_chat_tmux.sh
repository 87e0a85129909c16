#!/bin/bash
# tessera chat on a real terminal: tmux types keys and reads the screen. Line editing, the history across two sessions, the
# keys that stop and end, a line longer than the screen, a screen that changes its width.
# usage: check_chat_tmux.sh TESSERA REPOSITORY; 77 where there is no tmux, or the program has no line editing.
set -u
tessera=$1 repo=$2
command -v tmux >/dev/null || { echo "no tmux: left out"; exit 77; }
"$tessera" --version | grep -q libedit || { echo "built without libedit: left out"; exit 77; }
work=$(mktemp -d)
export HOME=$work XDG_STATE_HOME=$work/state LC_ALL=C.UTF-8
tmux=(tmux -S "$work/socket" -f /dev/null)
trap '"${tmux[@]}" kill-server 2>/dev/null; rm -rf "$work"' EXIT
line="'$tessera' chat -m '$repo/models/nano' --temperature 0 '$repo/samples/shapes.png'"

screen() { "${tmux[@]}" capture-pane -p -J -t chat; }

fail() {
    printf '%s\n--- the screen\n%s\n' "$1" "$(screen)"
    exit 1
}

# TEXT as a whole line, or a part of one where it ends with *.
shows() {
    if [ "${1%\*}" = "$1" ]; then screen | grep -Fxq -- "$1"; else screen | grep -Fq -- "${1%\*}"; fi
}

wait_for() {
    local i
    for i in $(seq 600); do
        shows "$1" && return 0
        sleep 0.1
    done
    fail "not seen within a minute: $1"
}

keys() { "${tmux[@]}" send-keys -t chat "$@"; }
say() { keys -l "$1"; keys Enter; }
start() { "${tmux[@]}" new-session -d -s chat -x 80 -y 40 "$line; echo exit code \$?; cat"; wait_for '/help lists the commands'; }
clear_screen() { keys C-l; "${tmux[@]}" clear-history -t chat; }

start
say 'How many objects are there?'
wait_for '4'

keys -l 'Is there a circel?'
keys BSpace BSpace BSpace
keys -l 'le?'
wait_for '> Is there a circle?'
keys Enter
wait_for 'yes'

keys Up Up
wait_for '> How many objects are there?'
keys C-e C-u
keys -l '/stats'
keys Home Delete
keys -l '/'
keys Enter
wait_for '4 messages;*'

keys -l 'half a line'
keys C-c
wait_for '(again, or Ctrl-D, to end)'
clear_screen
long='Is there a circle, or a square, or a triangle, or a star, or anything else at all that is red here?'
keys -l "$long"
wait_for "> $long"
"${tmux[@]}" resize-window -t chat -x 50 -y 30
keys Home
keys -l 'So: '
wait_for "> So: $long"
keys C-c
wait_for "> So: $long^C"
keys C-d
wait_for 'exit code 0'
"${tmux[@]}" kill-session -t chat

start
keys Up
wait_for '> /stats'
keys C-c
keys C-c
wait_for 'exit code 130'
echo "a talk in tmux went as it should"
