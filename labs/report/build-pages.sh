#!/usr/bin/env bash
# build-pages.sh WORK OUTPUT: fetches what the lock file names into WORK and bundles each page into one file in OUTPUT.
set -euo pipefail
source=$(dirname "$(realpath "$0")")
work=$1
output=$2

refuse() {
  echo "pages: $1" >&2
  exit 1
}
command -v node >/dev/null && command -v npm >/dev/null || refuse "node and npm are missing: install the Debian packages nodejs and npm"
mkdir -p "$work" "$output"
if ! cmp -s "$source/package-lock.json" "$work/fetched-lock.json"; then
  cp "$source/package.json" "$source/package-lock.json" "$work"
  (cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >npm.log 2>&1) ||
    refuse "npm ci failed, is there a network? ($(grep -m 1 -i error "$work/npm.log" || tail -n 1 "$work/npm.log"))"
  cp "$source/package-lock.json" "$work/fetched-lock.json"
fi
node "$source/build-pages.mjs" "$work" "$output" "$source/page" "$source/../live/page"
