#!/bin/bash
# Build the program and run every ability of it on samples/, with the small model of this repository.
# usage: tools/demo.sh   (`make demo` installs what is needed first). Fails when any command fails.
set -eu
cd "$(dirname "$0")/.."

model=models/nano
tmp=build/demo
program=build/release/tessera
failed=0
mkdir -p "$tmp"

echo 'Building (log: build/demo/build.txt) ...'
if ! { cmake --preset release && cmake --build --preset release -j "${JOBS:-$(nproc)}" --target tessera; } \
    >"$tmp/build.txt" 2>&1; then
    tail -n 30 "$tmp/build.txt" >&2
    exit 70
fi
cat <<'EOF'

-------------------------------------------------------------------------------------------
 The model is tessera-nano: a Gemma 4 of 7.8 million parameters, trained for this repository
 on generated data. It knows shapes, colors, numbers, short printed words and about fifty
 spoken words, and it errs; models/nano/README.md tells how often. "There is" is the truth.
 For photographs and speech take a real model:  tessera ask -m FOLDER photo.jpg "..."
-------------------------------------------------------------------------------------------
EOF

quote() { # a word as a person would type it
    case $1 in
        *[!A-Za-z0-9_./,:=@%+-]*) printf ' "%s"' "$1" ;;
        *) printf ' %s' "$1" ;;
    esac
}

show() { # show TITLE QUESTION TRUTH VERB ARGS...
    local title=$1 question=$2 truth=$3 rc=0 word
    shift 3
    printf '\n== %s\n   question: %s\n   command:  tessera' "$title" "$question"
    for word in "$@"; do
        quote "$word"
    done
    printf '\n'
    "$program" "$@" -m "$model" --temperature 0 --quiet >"$tmp/out.txt" 2>"$tmp/err.txt" || rc=$?
    if [ "$rc" != 0 ]; then
        echo "   FAILED with exit code $rc: $(cat "$tmp/err.txt")"
        failed=$((failed + 1))
        return
    fi
    printf '   answer:   %s\n   there is: %s\n' "$(sed '2,$s/^/             /' "$tmp/out.txt")" "$truth"
}

s=samples
show 'A caption' 'Describe this image.' 'a red circle, a blue square, a purple star' caption "$s/scene.png" --budget 70
show 'A question about a picture' 'How many objects are there?' '3' ask "$s/scene.png" 'How many objects are there?' --budget 70
show 'Boxes' 'detect everything' "the same three; the picture with its boxes is $tmp/boxes.png" \
    detect "$s/scene.png" --overlay "$tmp/boxes.png" --budget 70
show 'A printed line' 'Read the text.' 'Kite 2041' ask "$s/line.png" 'Read the text.' --budget 70
show 'A transcript' 'What is said?' 'one two three four five six seven' ask "$s/numbers.wav" 'What is said?'
show 'A film, one picture per second' 'What happens?' 'a green square from left to right, a yellow star from 0:04 on' \
    ask "$s/crossing.mp4" 'What happens?'
show 'Picture and sound in one prompt, in order' 'What do you see and hear?' 'what was seen and heard above' \
    run --system 'You are a helpful assistant.' --image "$s/scene.png" --text 'What do you see and hear?' --audio "$s/numbers.wav" --budget 70
show 'No file at all' 'What can you do?' 'see models/nano/README.md' ask 'What can you do?'

echo
if [ "$failed" != 0 ]; then
    echo "demo: $failed commands failed" >&2
    exit 1
fi
echo "demo: every command worked. Look at $tmp/boxes.png, and at samples/ for what was asked about."
