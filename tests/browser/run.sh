#!/usr/bin/env bash
# run.sh WORK TEST.mjs ARGUMENT…: fetches what the lock file names into WORK and runs the test with it.
set -euo pipefail
source=$(dirname "$(realpath "$0")")
mkdir -p "$1"
work=$(realpath "$1")
shift
if ! cmp -s "$source/package-lock.json" "$work/fetched-lock.json"; then
  cp "$source/package.json" "$source/package-lock.json" "$work"
  (cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
  cp "$source/package-lock.json" "$work/fetched-lock.json"
fi
test=$1
shift
NODE_MODULES="$work/node_modules" exec node "$source/$test" "$@"
