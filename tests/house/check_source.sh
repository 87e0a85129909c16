#!/bin/bash
# What the compiler doesn't check. usage: check_source.sh CHECK SOURCE_DIR [C_COMPILER [CXX_COMPILER]]
#   words     functions that are not used here, and narration that has no place in a comment
#   includes  a file includes its own folder or one to the left; encoders and llm don't include each other;
#             cli includes tessera.h alone; a third party's header stays in .c files and *_internal.h
#   libraries a third party's header is known to one file (FFmpeg: to the files that turn its types into ours);
#             no flag that deletes NaN checks or hides the generic code
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
    found=$(grep -nE '(fprintf|fputs|fputc|putc|fwrite|perror)[[:space:]]*\(.*std(out|err)|(^|[^[:alnum:]_])(perror|putchar)[[:space:]]*\(' \
        $(all_sources | grep -v '^cli/') /dev/null || true)
    [ -z "$found" ] || complain "the library prints nothing:
$found"
    # shellcheck disable=SC2046
    found=$(grep -nE 'scanf[[:space:]]*\(.*%(\[|s)' $(all_sources) /dev/null || true)
    [ -z "$found" ] || complain "scanf without a bound:
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
    found=$(grep -nE '^#include <(libav|libsw|png|jpeglib|webp|cairo|stb|jansson|cblas|openblas)' \
        $(find base media encoders llm pipeline -name '*.h' ! -name '*_internal.h') /dev/null || true)
    [ -z "$found" ] || complain "a third party's header in a header of ours:
$found"
}

# The C and POSIX headers, and a compiler's own for base/.
system_headers='assert|ctype|dirent|errno|fcntl|float|getopt|inttypes|limits|locale|math|poll|pthread|sched|setjmp|signal'
system_headers="$system_headers|std(arg|atomic|bool|def|int|io|lib)|string|time|unistd|spawn|termios|wchar|cpuid|immintrin|arm_neon"
system_headers="$system_headers|sanitizer/asan_interface|sys/(auxv|file|mman|random|resource|stat|syscall|time|types|wait|ioctl)"

# header pattern, then the files that may include it
homes() {
    cat <<'LIST'
jansson base/json.c
(cblas|openblas) base/blas.c
png media/png.c
(jpeglib|jerror) media/jpeg.c
webp/ media/webp.c
libswscale media/video_picture.c
libswresample media/resample.c
lib(avformat|avcodec) media/ff_internal.h
cairo pipeline/overlay_cairo.c
histedit cli/chat_edit.c
libavutil media/(ff_internal.h|resample.c|video_picture.c|video.c)
LIST
}

check_libraries() {
    local pattern home found
    while read -r pattern home; do
        # shellcheck disable=SC2046
        found=$(grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]$pattern" $(all_sources) /dev/null |
            grep -vE "^$home:" || true)
        [ -z "$found" ] || complain "belongs into $home alone:
$found"
    done < <(homes)
    # shellcheck disable=SC2046
    found=$(grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*<' $(all_sources) /dev/null |
        grep -vE "<($system_headers)\.h>|<($(homes | cut -d ' ' -f 1 | paste -sd '|'))" || true)
    [ -z "$found" ] || complain "a header of nobody's (give it a home in this script):
$found"
    found=$(grep -rnE -e '-(ffast-math|Ofast|funsafe-math-optimizations|ffinite-math-only|march=native|mtune=native)' \
        --include=CMakeLists.txt --include='*.cmake' --include='CMakePresets.json' --include=Makefile . |
        grep -vE '^\./(build|out)/' || true)
    [ -z "$found" ] || complain "flags that are never used here:
$found"
    # shellcheck disable=SC2046
    found=$(grep -nE '#[[:space:]]*pragma.*(fast-math|STDC FP_CONTRACT ON|GCC optimize)|__attribute__.*optimize' \
        $(all_sources) /dev/null || true)
    [ -z "$found" ] || complain "such pragmas are never used here:
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
        grep -q '^extern "C"' "$h" || complain "$h has no extern \"C\" for C++"
        command -v "$cxx" >/dev/null || continue # no C++ compiler, no C++ users
        # shellcheck disable=SC2086
        "$cxx" -std=c++11 -Wall -Wextra -Werror -fsyntax-only $dirs "$tmp/alone.cc" ||
            complain "$h doesn't compile alone as C++"
    done
}

"check_$check"
exit "$failed"
