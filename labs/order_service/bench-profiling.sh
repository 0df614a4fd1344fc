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

# fix, hours, allocator, state, the variable that sets it
arms() {
  local sampler="LD_PRELOAD=$bin/libplateau_sampler.so"
  for fix in all,1 none,0.4; do
    echo "${fix%,*} ${fix#*,} jemalloc off PLATEAU_NONE=1"
    echo "${fix%,*} ${fix#*,} jemalloc inactive MALLOC_CONF=prof:true,prof_active:false"
    echo "${fix%,*} ${fix#*,} jemalloc active MALLOC_CONF=prof:true,lg_prof_sample:19"
    echo "${fix%,*} ${fix#*,} glibc off PLATEAU_NONE=1"
    echo "${fix%,*} ${fix#*,} glibc inactive $sampler PLATEAU_SAMPLE_PERIOD=0"
    echo "${fix%,*} ${fix#*,} glibc active $sampler PLATEAU_SAMPLE_PERIOD=524288"
  done
}

for ((round = 0; round <= rounds; ++round)); do
  arms | shuf > "$work/order"
  while read -r fix hours allocator state variables; do
    # shellcheck disable=SC2086  # several variables are meant to be several words
    env $variables "$bin/order_service" run --fix "$fix" --hours "$hours" --allocator "$allocator" \
      --memory-limit none --json "$work/result.json" > /dev/null < /dev/null
    cpu=$(jq '.arms[0] | .cpu_seconds * 1e6 / .input.orders' "$work/result.json")
    [ "$round" -eq 0 ] || echo "$round $fix $allocator $state $cpu" >> "$work/figures"
  done < "$work/order"
done

echo "CPU time an order, $rounds rounds, interleaved; profilers sample once in 512 KiB"
awk '
  { cpu[$1, $2, $3, $4] = $5; arm[$2 " " $3] = 1; if ($1 > rounds) rounds = $1 }
  END {
    printf "%-8s %-10s %-10s %12s %12s %10s %8s\n", "arm", "allocator", "profiler", "us an order", "overhead", "+-", "target"
    split("off inactive active", states, " ")
    split("none all", fixes, " "); split("jemalloc glibc", allocators, " ")
    for (f = 1; f <= 2; ++f) for (a = 1; a <= 2; ++a) for (s = 1; s <= 3; ++s) {
      sum = squares = us = 0
      for (r = 1; r <= rounds; ++r) {
        ratio = 100 * (cpu[r, fixes[f], allocators[a], states[s]] / cpu[r, fixes[f], allocators[a], "off"] - 1)
        sum += ratio; squares += ratio * ratio; us += cpu[r, fixes[f], allocators[a], states[s]]
      }
      mean = sum / rounds
      error = rounds > 1 ? sqrt((squares / rounds - mean * mean) * rounds / (rounds - 1) / rounds) : 0
      target = states[s] == "inactive" ? "< 0.5 %" : fixes[f] == "all" ? "< 1 %" : "< 3 %"
      printf "%-8s %-10s %-10s %12.2f", fixes[f] == "all" ? "after" : "before", allocators[a], states[s], us / rounds
      if (states[s] == "off") print ""; else printf " %10.2f %% %8.2f %% %8s\n", mean, error, target
    }
  }' "$work/figures"
