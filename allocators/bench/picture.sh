#!/usr/bin/env bash
# The picture of the benchmark's table: picture.sh RESULT.json PICTURE.svg. Needs jq and gnuplot.
set -euo pipefail
result=$1
picture=$2
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT

plots=()
while IFS= read -r name; do
  file=$data/${#plots[@]}.tsv
  # Slowest first: a chart of bars is filled from below.
  jq -r --arg name "$name" '[.cases[] | select(.case == $name)] | sort_by(-.least_ns)[] | [.contestant, .least_ns] | @tsv' "$result" > "$file"
  range=$(jq -r --arg name "$name" '[.cases[] | select(.case == $name) | .least_ns] | "\(min / 2)\t\(max * 4)\t\(length)"' "$result")
  plots+=("$name"$'\t'"$file"$'\t'"$range")
done < <(jq -r '[.cases[].case] | unique[]' "$result")
[ ${#plots[@]} -gt 0 ] || { echo "picture: $result holds no case" >&2; exit 2; }

columns=2
rows=$(( (${#plots[@]} + columns - 1) / columns ))
{
  echo "set terminal svg size 1240,$((rows * 330)) font 'sans-serif,12' background '#ffffff'"
  echo "set output '$picture'"
  echo "set multiplot layout $rows,$columns"
  echo "set datafile separator '\t'; set style fill solid; set boxwidth 0.7; unset key; set grid xtics lc rgb '#dddddd'; set border 3; set tics nomirror"
  echo "set lmargin 40; set rmargin 8; set tmargin 3; set bmargin 3"
  for plot in "${plots[@]}"; do
    IFS=$'\t' read -r name file left right count <<< "$plot"
    echo "set title \"$name\" noenhanced; set logscale x; set format x '%g'; set xlabel 'ns an operation, least of the repetitions (logarithmic)'"
    echo "set ytics noenhanced; set yrange [-0.7:$count-0.3]; set xrange [$left:$right]"
    echo "plot '$file' using 2:0:($left):2:(\$0-0.35):(\$0+0.35):(strstrt(stringcolumn(1),'plateau') > 0 ? 0x1f6feb : strstrt(stringcolumn(1),'ideal') > 0 ? 0x2da44e : 0xb0b8c4):ytic(1) with boxxyerror lc rgb variable, '' using 2:0:(sprintf('  %.3g',\$2)) with labels left noenhanced"
  done
} | gnuplot
