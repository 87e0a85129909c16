#!/bin/bash
# What the compiler doesn't check. usage: check_source.sh CHECK SOURCE_DIR [C_COMPILER [CXX_COMPILER]]
#   words     functions that are not used here, and narration that has no place in a comment
#   includes  a file includes its own folder or one to the left; encoders and llm don't include each other;
#             cli includes tessera.h alone; a third party's header stays in .c files and *_internal.h
#   headers   every public header of a part compiles alone, as C11 and as C++
set -eu

check=$1
tmp=
cd "$2"
cc=${3:-cc}
cxx=${4:-c++}
failed=0

complain() {
    echo "$1"
    failed=1
}

all_sources() {
    find base media encoders llm pipeline cli -name '*.[ch]' | sort
}

check_words() {
    local found
    # shellcheck disable=SC2046
    found=$(grep -nE '(^|[^[:alnum:]_])(strcpy|strcat|sprintf|vsprintf|atoi|atol|atof|strtok|rand|gets|alloca|system|popen)[[:space:]]*\(' \
        $(all_sources) /dev/null || true)
    [ -z "$found" ] || complain "not used here:
$found"
    # shellcheck disable=SC2046
    found=$(grep -nE '(^|[^[:alnum:]_])(exit|abort|printf|puts)[[:space:]]*\(' \
        $(all_sources | grep -v '^cli/') /dev/null | grep -v ':[[:space:]]*\*' || true)
    [ -z "$found" ] || complain "the library prints nothing and ends no process:
$found"
    # shellcheck disable=SC2046
    found=$(grep -nE '(^|[^[:alnum:]_])(malloc|calloc|realloc|strdup|aligned_alloc|posix_memalign)[[:space:]]*\(' \
        $(all_sources | grep -v -e '^cli/' -e '^base/alloc.c') /dev/null | grep -v ':[[:space:]]*\*' || true)
    [ -z "$found" ] || complain "memory comes from base/tsr_alloc.h:
$found"
}

left_of() {
    case $1 in
        base) echo base ;;
        media) echo base media ;;
        encoders) echo base media encoders ;;
        llm) echo base llm ;;
        pipeline) echo base media encoders llm pipeline ;;
        cli) echo cli ;;
    esac
}

check_includes() {
    local file part name home
    for file in $(all_sources); do
        part=${file%%/*}
        for name in $(sed -n 's/^#include "\(.*\)"$/\1/p' "$file"); do
            [ "$part/$name" = "cli/tessera.h" ] && continue
            home=
            for p in $(left_of "$part"); do
                [ -e "$p/$name" ] && home=$p
            done
            [ -n "$home" ] || complain "$file includes $name, which is no header of $(left_of "$part")"
            case $name in
                *_internal.h) [ "$home" = "$part" ] || complain "$file includes $name of $home/" ;;
            esac
        done
    done
    # shellcheck disable=SC2046
    local found
    found=$(grep -nE '^#include <(libav|libsw|png|jpeglib|webp|stb|jansson|cblas|openblas)' \
        $(find base media encoders llm pipeline -name '*.h' ! -name '*_internal.h') /dev/null || true)
    [ -z "$found" ] || complain "a third party's header in a header of ours:
$found"
}

check_headers() {
    local h dirs='-Ibase -Imedia -Iencoders -Illm -Ipipeline'
    tmp=$(mktemp -d)
    trap 'rm -rf "$tmp"' EXIT
    for h in $(find base media encoders llm -name 'tsr_*.h' | sort) pipeline/tessera.h; do
        echo "#include \"${h#*/}\"" >"$tmp/alone.c"
        echo "#include \"${h#*/}\"" >"$tmp/alone.cc"
        # shellcheck disable=SC2086
        "$cc" -std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Werror -pedantic -fsyntax-only $dirs "$tmp/alone.c" ||
            complain "$h doesn't compile alone as C11"
        # shellcheck disable=SC2086
        "$cxx" -std=c++11 -Wall -Wextra -Werror -fsyntax-only $dirs "$tmp/alone.cc" ||
            complain "$h doesn't compile alone as C++"
    done
}

"check_$check"
exit "$failed"
