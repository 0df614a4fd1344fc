#!/usr/bin/env bash
# picture.sh VERDICTS.json OUTPUT.svg: draws what verdicts.py wrote.
set -euo pipefail
folder=$(mktemp -d "${TMPDIR:-/tmp}/plateau-verdicts-$$-XXXXXX")
trap 'rm -rf "$folder"' EXIT
judged='[.[] | .lab as $lab | .rows | to_entries[] | select(.value.margins | length > 0) | ($lab | split("/") | last) + ": " + .key] | unique'
jq -r "$judged"' | .[]' "$1" > "$folder/labels"
for neighbour in true false; do
  jq -r "($judged)"' as $labels | .[] | select(.neighbour == '$neighbour') | (.lab | split("/") | last) as $lab | .rows | to_entries[] |
    ($lab + ": " + .key) as $row | .value.margins[] | [($labels | index($row)) + 1, . * 100] | @tsv' "$1" > "$folder/$neighbour"
done
gnuplot -e "idle_file='$folder/false'; neighbour_file='$folder/true'; labels_file='$folder/labels'; output_file='$2'" \
  "$(dirname "$0")/verdicts.gnuplot"
