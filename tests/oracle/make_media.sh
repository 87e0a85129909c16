#!/bin/sh
# Make media/clip.mp4: 12 frames at 4 per second, lossless RGB, so that any decoder gives the
# same pixels. usage: make_media.sh PYTHON
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$here"
"$1" - "$tmp" <<'PY'
import sys
from recipes import picture, write_ppm
for k in range(12):
    write_ppm(f"{sys.argv[1]}/f{k:02d}.ppm", picture(64, 48, k, 0))
PY
for out in media/clip.mp4; do
    ffmpeg -v error -y -framerate 4 -i "$tmp/f%02d.ppm" -c:v libx264rgb -qp 0 -preset veryslow -threads 1 \
        -map_metadata -1 -fflags +bitexact -flags:v +bitexact "$out"
done
ls -l media
