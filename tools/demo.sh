#!/bin/bash
# Build the program and run every ability of it on samples/, with a tiny model made of random weights.
# usage: tools/demo.sh   (`make demo` installs what is needed first). Fails when any command fails.
set -eu
cd "$(dirname "$0")/.."

model=build/demo/tiny-e2b
tmp=build/demo
program=build/release/tessera
failed=0
mkdir -p "$tmp"

echo 'Building (log: build/demo/build.txt) ...'
if ! { cmake --preset release && cmake --build --preset release -j "${JOBS:-$(nproc)}" --target tessera make_model; } \
    >"$tmp/build.txt" 2>&1; then
    tail -n 30 "$tmp/build.txt" >&2
    exit 70
fi
rm -rf "$model"
build/release/tests/oracle/make_model "$model" e2b

cat <<'EOF'

-------------------------------------------------------------------------------------------
 The model of this demo is tiny and its weights are random: ITS ANSWERS ARE NONSENSE.
 What the demo shows is the path: each file is decoded, resized or resampled, encoded, put
 into the prompt where it belongs, read by all layers, and answered, in the shape of E2B.
 A real model is a folder as Hugging Face publishes it:  tessera ask -m FOLDER photo.jpg "..."
-------------------------------------------------------------------------------------------
EOF

number() { # number KEY FILE: the first integer behind "KEY"
    sed -n "s/.*\"$1\": *\([0-9][0-9]*\).*/\1/p" "$2" | head -n 1
}

answer() { # the string behind "text", its escapes left as they are
    sed -n 's/^[^{]*{"text": *"\(\([^"\\]\|\\.\)*\)".*/\1/p' "$1" | head -n 1
}

quote() { # a word as a person would type it
    case $1 in
        *[!A-Za-z0-9_./,:=@%+-]*) printf ' "%s"' "$1" ;;
        *) printf ' %s' "$1" ;;
    esac
}

verdict=0   # the exit code that is wanted
show() { # show TITLE QUESTION VERB ARGS...
    local title=$1 question=$2 rc=0 word key n counts=''
    shift 2
    printf '\n== %s\n   question: %s\n   command:  tessera' "$title" "$question"
    for word in "$@"; do
        quote "$word"
    done
    printf '\n'
    "$program" "$@" -m "$model" --temperature 0 --max-tokens 12 --json --quiet >"$tmp/out.json" 2>"$tmp/err.txt" ||
        rc=$?
    if [ "$rc" = "$verdict" ] && [ "$rc" != 0 ]; then
        printf '   answer:   refused, as it must be: %s\n' "$(cut -c 1-150 "$tmp/err.txt")"
        return
    fi
    if [ "$rc" != 0 ]; then
        echo "   FAILED with exit code $rc: $(cat "$tmp/err.txt")"
        failed=$((failed + 1))
        return
    fi
    for key in image audio video; do
        n=$(number "${key}_tokens" "$tmp/out.json")
        [ "${n:-0}" = 0 ] || counts="$counts, $n $key"
    done
    printf '   answer:   %s\n   tokens:   %s in the prompt%s, %s in the answer\n' "$(answer "$tmp/out.json")" \
        "$(number prompt_tokens "$tmp/out.json")" "${counts:+ (${counts#, })}" \
        "$(number completion_tokens "$tmp/out.json")"
}

s=samples
show 'A caption' 'Describe this image.' caption "$s/house.jpg"
show 'A question about a picture' 'Which shape is blue?' ask "$s/shapes.png" 'Which shape is blue?'
show 'Small print: a larger budget' 'How many pears were sold?' \
    ask --budget 560 "$s/chart.webp" 'How many pears were sold?'
verdict=65 # nonsense is no list of boxes
show 'Boxes' 'where are circle and star?' detect "$s/shapes.png" --labels circle,star
verdict=0
show 'A transcript' 'what is said?' transcribe "$s/train.mp3"
show 'A transcript of German' 'what is said, in German?' transcribe "$s/morning_de.flac" --language German
show 'A film, one picture per second' 'Where does the ball go?' ask "$s/ball.mp4" 'Where does the ball go?'
show 'A film with its sound' 'Which light is on at the end?' \
    ask --with-sound "$s/lights.mkv" 'Which light is on at the end?'
show 'A document' 'What is the total?' ask "$s/invoice.pdf" 'What is the total?'
show 'Everything in one prompt, in order' 'see the command' run --system 'Answer in one sentence.' \
    --text 'Here is a house:' --image "$s/house.jpg" --text 'and here are numbers:' --audio "$s/numbers.wav" \
    --text 'then a film:' --video "$s/ball.mp4" --text 'What have they in common?' --budget 70

echo
if [ "$failed" != 0 ]; then
    echo "demo: $failed commands failed" >&2
    exit 1
fi
echo 'demo: every command did what it should (and every answer was nonsense, as promised).'
