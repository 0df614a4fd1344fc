#!/usr/bin/env bash
# Protects the libraries as others get them: installs a build tree into an empty prefix and builds a project of somebody
# else's from it, by find_package and by pkg-config.  install_test.sh BUILD_DIR
set -euo pipefail
build=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

quietly() {  # shows what a command said only when it fails
  "$@" > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }
}
use() {  # the consumer's programs for the components
  quietly cmake -S "$here/consumer" -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release -DCONSUMER_COMPONENTS="$1"
  quietly cmake --build "$work/build"
}
by_pkg_config() {  # SOURCE PACKAGE
  # shellcheck disable=SC2046
  quietly "${CXX:-c++}" -std=c++20 "$here/consumer/$1.cpp" $(pkg-config --cflags --libs "$2") -o "$work/$1"
}

# The allocators by themselves, without what profiling needs.
quietly cmake --install "$build" --prefix "$prefix" --component allocators
[ -f "$prefix/include/plateau/allocators/arena.hpp" ]
[ ! -e "$prefix/include/plateau/allocators/heap_backend.hpp" ]
[ ! -e "$prefix/include/plateau/profiling" ]
export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name plateau-allocators.pc)")
use allocators
"$work/build/uses_allocators" | grep "bytes, 1 idle"
by_pkg_config uses_allocators plateau-allocators
"$work/uses_allocators" | grep -q "bytes, 1 idle"

# An assert in an installed header would be paid for in every call of a program that does not define NDEBUG.
# shellcheck disable=SC2046
quietly "${CXX:-c++}" -std=c++20 -O2 -c "$here/consumer/uses_allocators.cpp" $(pkg-config --cflags plateau-allocators) -o "$work/uses.o"
if nm --undefined-only "$work/uses.o" | grep __assert_fail; then echo "an installed header asserts"; exit 1; fi

"$work/build/uses_allocation_counter" | grep -q "1 call of 1000 bytes"
by_pkg_config uses_allocation_counter plateau-allocation-counter
"$work/uses_allocation_counter" | grep -q "1 call of 1000 bytes"

# Every header that the README offers is there.
for header in $(grep -o '([a-z_]*\.hpp)' "$here/../allocators/README.md" | tr -d '()' | sort -u); do
  [ -f "$prefix/include/plateau/allocators/$header" ] || { echo "README.md offers $header, which is not installed"; exit 1; }
done

# A component that is not installed is said to be missing.
if cmake -S "$here/consumer" -B "$work/missing" -DCMAKE_PREFIX_PATH="$prefix" -DCONSUMER_COMPONENTS=profiling > "$work/missing.log" 2>&1; then
  echo "a component that is not installed was found"; exit 1
fi
grep -q "profiling" "$work/missing.log"

quietly cmake --install "$build" --prefix "$prefix" --component profiling
use "allocators;profiling"
"$work/build/uses_profiling" | grep "port [1-9]"
by_pkg_config uses_profiling plateau-profiling
"$work/uses_profiling" | grep -q "port [1-9]"
"$prefix/bin/heap2pprof" --help | grep -q "heap2pprof"
