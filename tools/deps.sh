#!/bin/bash
# Install what building, testing and the demo need, on Debian 12 (and what is close to it). Nothing is asked,
# nothing is done when all is there. Elsewhere: say what is missing. docs/dependencies.md tells what each is for.
# usage: tools/deps.sh [--list]
set -eu

packages="build-essential cmake ninja-build pkg-config
libjansson-dev libopenblas-dev
libpng-dev libjpeg62-turbo-dev libwebp-dev
libavformat-dev libavcodec-dev libavutil-dev libswscale-dev libswresample-dev
libcairo2-dev libedit-dev poppler-utils libcmocka-dev tmux"

programs="cc make cmake ninja pkg-config pdftoppm pdfinfo"
modules="jansson openblas libpng libjpeg libwebp libwebpdemux libavformat libavcodec libavutil libswscale libswresample cmocka"

# Not among the modules: cairo, without which only overlays lack, and libedit, without which chat has no history.

missing_packages() {
    local p
    for p in $packages; do
        case $(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true) in
            installed) ;;
            *) echo "$p" ;;
        esac
    done
}

missing_things() {
    local t
    for t in $programs; do
        command -v "$t" >/dev/null 2>&1 || echo "program $t"
    done
    for t in $modules; do
        pkg-config --exists "$t" 2>/dev/null || echo "library $t (pkg-config)"
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        echo "tools/deps.sh: packages are missing and neither root nor sudo is at hand. As root, run:" >&2
        echo "  apt-get install --no-install-recommends" $want >&2
        exit 77
    fi
}

if [ "${1:-}" = --list ]; then
    printf '%s\n' $packages
    exit 0
fi

if ! command -v apt-get >/dev/null 2>&1; then
    want=$(missing_things)
    [ -z "$want" ] && exit 0
    echo "tools/deps.sh: this system has no apt-get, so please install by its own means what is missing:" >&2
    printf "  %s\n" "${want//$'\n'/$'\n  '}" >&2
    echo "(the Debian packages are: ${packages//$'\n'/ }; docs/dependencies.md says what each is for)" >&2
    exit 69
fi

want=$(missing_packages | tr '\n' ' ')
[ -z "$want" ] && exit 0
echo "installing: $want"
as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Dpkg::Use-Pty=0 \
    --no-install-recommends $want </dev/null >/dev/null
