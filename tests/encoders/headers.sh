#!/bin/sh
# headers.sh CC CXX ROOT: each header of encoders/ compiles alone, the public ones also as C++.
set -e
cc=$1 cxx=$2 root=$3
inc="-I$root/base -I$root/media -I$root/encoders"
for h in "$root"/encoders/*.h; do
  "$cc" -std=c11 -Wall -Wextra -Werror -fsyntax-only $inc -include "$h" -x c /dev/null
done
for h in "$root"/encoders/tsr_*.h; do
  "$cxx" -std=c++17 -Wall -Wextra -Werror -fsyntax-only $inc -include "$h" -x c++ /dev/null
done
