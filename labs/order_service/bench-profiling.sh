#!/usr/bin/env bash
# What heap profiling costs the order service: CPU time an order, against the same arm without a profiler.
#   bench-profiling.sh BIN_DIRECTORY [ROUNDS]
# Each round runs every arm once, in an order of its own, so that what else the machine does falls on all alike; the
# figures are the mean over rounds of the ratio within a round, and its standard error. One warm-up round is dropped.
set -euo pipefail
bin=$1
rounds=${2:-10}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fix, hours, allocator, profiler, state, the variable that sets it
arms() {
  local sampler="LD_PRELOAD=$bin/libplateau_sampler.so"
  for fix in all,1 none,0.4; do
    echo "${fix%,*} ${fix#*,} jemalloc none off PLATEAU_NONE=1"
    echo "${fix%,*} ${fix#*,} jemalloc jemalloc inactive MALLOC_CONF=prof:true,prof_active:false"
    echo "${fix%,*} ${fix#*,} jemalloc jemalloc active MALLOC_CONF=prof:true,lg_prof_sample:19"
    echo "${fix%,*} ${fix#*,} jemalloc sampler active $sampler PLATEAU_SAMPLE_PERIOD=524288"
    echo "${fix%,*} ${fix#*,} glibc none off PLATEAU_NONE=1"
    echo "${fix%,*} ${fix#*,} glibc sampler inactive $sampler PLATEAU_SAMPLE_PERIOD=0"
    echo "${fix%,*} ${fix#*,} glibc sampler active $sampler PLATEAU_SAMPLE_PERIOD=524288"
  done
}

for ((round = 0; round <= rounds; ++round)); do
  arms | shuf > "$work/order"
  while read -r fix hours allocator profiler state variables; do
    # shellcheck disable=SC2086  # several variables are meant to be several words
    env $variables "$bin/order_service" run --fix "$fix" --hours "$hours" --allocator "$allocator" \
      --memory-limit none --json "$work/result.json" > /dev/null < /dev/null
    cpu=$(jq '.arms[0] | .cpu_seconds * 1e6 / .input.orders' "$work/result.json")
    [ "$round" -eq 0 ] || echo "$round $fix $allocator $profiler $state $cpu" >> "$work/figures"
  done < "$work/order"
done

echo "CPU time an order, $rounds rounds, interleaved; profilers sample once in 512 KiB"
sort -k2,2r -k3,3r -k5,5r -k4,4 -k1,1n "$work/figures" | awk '
  $5 == "off" { off[$1, $2, $3] = $6 }
  { all[++lines] = $0 }
  END {
    for (i = 1; i <= lines; ++i) {
      split(all[i], f, " ")
      arm = sprintf("%-8s %-10s %-10s %-10s", f[2] == "all" ? "after" : "before", f[3], f[4], f[5])
      if (!(arm in count)) {
        order[++arms] = arm
        target[arm] = f[5] == "off" ? "" : f[5] == "inactive" ? "< 0.5 %" : f[2] == "all" ? "< 1 %" : "< 3 %"
      }
      ratio = 100 * (f[6] / off[f[1], f[2], f[3]] - 1)
      ++count[arm]; cpu[arm] += f[6]; sum[arm] += ratio; squares[arm] += ratio * ratio
    }
    printf "%-8s %-10s %-10s %-10s %12s %10s %10s %8s\n", "arm", "allocator", "profiler", "state", "us an order", "overhead", "+-", "target"
    for (a = 1; a <= arms; ++a) {
      n = count[arm = order[a]]; mean = sum[arm] / n
      printf "%s %12.2f", arm, cpu[arm] / n
      if (target[arm] == "") { print ""; continue }
      if (n > 1) error = sprintf("%.2f %%", sqrt((squares[arm] / n - mean * mean) / (n - 1))); else error = "?"
      printf " %8.2f %% %10s %8s\n", mean, error, target[arm]
    }
  }'
