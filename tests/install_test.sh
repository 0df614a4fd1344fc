#!/usr/bin/env bash
# Protects the library as others get it: installs a build tree into an empty prefix and builds a project of somebody
# else's from it, by find_package and by pkg-config.  install_test.sh BUILD_DIR
set -euo pipefail
build=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The build tree is complete when this runs; installing must not start another build.
for component in allocators; do
  cmake --install "$build" --prefix "$work/prefix" --component "$component" > "$work/install.log"
done
[ -f "$work/prefix/include/plateau/allocators/arena.hpp" ]
[ ! -e "$work/prefix/include/plateau/allocators/heap_backend.hpp" ]

cmake -S "$here/consumer" -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_BUILD_TYPE=Release > "$work/configure.log" ||
  { cat "$work/configure.log"; exit 1; }
cmake --build "$work/build" > "$work/build.log" || { cat "$work/build.log"; exit 1; }
"$work/build/uses_allocators" | grep -q "bytes, 1 idle"

pc=$(dirname "$(find "$work/prefix" -name plateau-allocators.pc)")
export PKG_CONFIG_PATH=$pc
# shellcheck disable=SC2046
"${CXX:-c++}" -std=c++20 -O1 "$here/consumer/uses_allocators.cpp" $(pkg-config --cflags --libs plateau-allocators) -o "$work/by_pkg_config"
"$work/by_pkg_config" | grep -q "bytes, 1 idle"

# A component that was not installed is said to be missing.
printf 'cmake_minimum_required(VERSION 3.25)\nproject(none CXX)\nfind_package(plateau REQUIRED COMPONENTS no_such_part)\n' > "$work/prefix/CMakeLists.txt"
if cmake -S "$work/prefix" -B "$work/none" -DCMAKE_PREFIX_PATH="$work/prefix" > "$work/none.log" 2>&1; then
  echo "a component that does not exist was found"; exit 1
fi
grep -q "no_such_part" "$work/none.log"
echo "installed, found by CMake and by pkg-config"
