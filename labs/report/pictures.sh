#!/usr/bin/env bash
# pictures.sh REPORT.html FOLDER: the first screen of the order service's report, and its flame graph, as PNG.
set -euo pipefail
page=$(realpath "$1")
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT

picture() {  # NAME HEIGHT PLACE
  chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$profile" --window-size="1200,$2" \
    --virtual-time-budget=3000 --screenshot="$folder/$1.png" "file://$page$3" > "$profile/log" 2>&1 ||
    { echo "pictures: chromium failed: $(tail -n 1 "$profile/log")" >&2; exit 1; }
}
folder=$(realpath "$2")
picture first-screen 740 ""
picture flame 620 "#order_service-heap"
