#!/usr/bin/env bash
# What heap profiling costs the order service, in CPU time an order.
#   bench-profiling.sh BIN_DIRECTORY [ROUNDS]
# Active against recording nothing: within one process, in slices that take turns (profiling_bench). A profiler that is
# there and inactive, against none: the instructions of an order, which valgrind counts and no neighbour changes; and the
# CPU time of ROUNDS rounds of the whole arm, each once a round and in an order of its own; mean over rounds of the ratio
# within a round, and its standard error. One warm-up round is dropped.
set -euo pipefail
shopt -s inherit_errexit  # a figure of a run that failed is none
bin=$1
rounds=${2:-10}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sampler=$bin/libplateau_sampler.so
jemalloc=libjemalloc.so.2
settings=dirty_decay_ms:13,muzzy_decay_ms:0,background_thread:false  # the lab's, times compressed

echo "profiler on against off, within one process; it samples once in 512 KiB"
for arm in before after; do
  target=$([ $arm = before ] && echo "< 3 %" || echo "< 1 %")
  measure() {  # allocator, profiler, variables
    local figures  # by itself, so that a measurement that fails ends the script
    figures=$(env "${@:3}" "$bin/profiling_bench" $arm)
    printf '%-8s %-10s %-10s%s   target %s\n' $arm "$1" "$2" "$figures" "$target"
  }
  measure jemalloc jemalloc "LD_PRELOAD=$jemalloc" "MALLOC_CONF=$settings,prof:true,prof_active:false,lg_prof_sample:19"
  measure jemalloc sampler "LD_PRELOAD=$sampler:$jemalloc" "MALLOC_CONF=$settings" PLATEAU_SAMPLE_PERIOD=0
  measure glibc sampler "LD_PRELOAD=$sampler" PLATEAU_SAMPLE_PERIOD=0
done

# Of so many orders, by the service's process; its peer, a fork, has fewer.
instructions() {  # arm, orders, variables
  local counts
  counts=$(env "${@:3}" valgrind --tool=cachegrind --cache-sim=no --cachegrind-out-file=/dev/null \
    "$bin/profiling_bench" "$1" "$2" 2>&1) || { echo "$counts" >&2; return 2; }
  awk '/I +refs:/ { gsub(",", "", $NF); if (most < $NF + 0) most = $NF + 0 } END { if (!most) exit 2; printf "%d", most }' <<< "$counts"
}
instructions_of_an_order() {  # without those of the start
  local few many
  few=$(instructions "$1" 100 "${@:2}")
  many=$(instructions "$1" 500 "${@:2}")
  echo $(((many - few) / 400))
}

echo
echo "a profiler that is there and inactive, against none, in instructions of an order"
for arm in before after; do
  compare() {  # allocator, profiler, without, variables
    local with
    with=$(instructions_of_an_order $arm "${@:4}")
    awk -v with="$with" -v without="$3" -v arm=$arm -v allocator="$1" -v profiler="$2" 'BEGIN {
      printf "%-8s %-10s %-10s %9d instructions, inactive %+.2f %%   target < 0.5 %%\n",
        arm, allocator, profiler, without, 100 * (with / without - 1) }'
  }
  without=$(instructions_of_an_order $arm "LD_PRELOAD=$jemalloc" "MALLOC_CONF=$settings")
  compare jemalloc jemalloc "$without" "LD_PRELOAD=$jemalloc" "MALLOC_CONF=$settings,prof:true,prof_active:false"
  compare jemalloc sampler "$without" "LD_PRELOAD=$sampler:$jemalloc" "MALLOC_CONF=$settings" PLATEAU_SAMPLE_PERIOD=0
  without=$(instructions_of_an_order $arm PLATEAU_NONE=1)
  compare glibc sampler "$without" "LD_PRELOAD=$sampler" PLATEAU_SAMPLE_PERIOD=0
done

# fix, hours, allocator, state, the variable that sets it
arms() {
  for fix in all,1 none,0.4; do
    echo "${fix%,*} ${fix#*,} jemalloc off PLATEAU_NONE=1"
    echo "${fix%,*} ${fix#*,} jemalloc inactive MALLOC_CONF=prof:true,prof_active:false"
    echo "${fix%,*} ${fix#*,} glibc off PLATEAU_NONE=1"
    echo "${fix%,*} ${fix#*,} glibc inactive LD_PRELOAD=$sampler PLATEAU_SAMPLE_PERIOD=0"
  done
}

for ((round = 0; round <= rounds; ++round)); do
  arms | shuf > "$work/order"
  while read -r fix hours allocator state variables; do
    # shellcheck disable=SC2086  # several variables are meant to be several words
    env $variables "$bin/order_service" run --fix "$fix" --hours "$hours" --allocator "$allocator" \
      --memory-limit none --json "$work/result.json" > /dev/null < /dev/null
    cpu=$(jq '.arms[0] | .cpu_seconds * 1e6 / .input.operations' "$work/result.json")
    [ "$round" -eq 0 ] || echo "$round $fix $allocator $state $cpu" >> "$work/figures"
  done < "$work/order"
done

echo
echo "a profiler that is there and inactive, against none, in CPU time, $rounds rounds"
awk '
  { cpu[$1, $2, $3, $4] = $5; if ($1 > rounds) rounds = $1 }
  END {
    split("none all", fixes, " "); split("jemalloc glibc", allocators, " ")
    for (f = 1; f <= 2; ++f) for (a = 1; a <= 2; ++a) {
      sum = squares = us = 0
      for (r = 1; r <= rounds; ++r) {
        ratio = 100 * (cpu[r, fixes[f], allocators[a], "inactive"] / cpu[r, fixes[f], allocators[a], "off"] - 1)
        sum += ratio; squares += ratio * ratio; us += cpu[r, fixes[f], allocators[a], "off"]
      }
      mean = sum / rounds
      error = rounds > 1 ? sprintf("%.2f %%", sqrt((squares / rounds - mean * mean) / (rounds - 1))) : "?"
      printf "%-8s %-10s %21.2f us an order, inactive %+.2f %% +- %s   target < 0.5 %%\n",
        fixes[f] == "all" ? "after" : "before", allocators[a], us / rounds, mean, error
    }
  }' "$work/figures"
