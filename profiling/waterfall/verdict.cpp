#include "profiling/waterfall/verdict.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <utility>

#include "profiling/waterfall/interpreter.hpp"

namespace plateau {
namespace {

// Who has a part: the program in live blocks, the allocator, or neither.
enum class Keeper { program, allocator, outside, nobody };
constexpr std::size_t keepers = 4;

Keeper keeper_of(const WaterfallPart& part) {
  if (part.is_ours || part.is_residual() || part.id == "lazyfree" || part.id == "muzzy") return Keeper::nobody;
  if (!part.is_gap) return Keeper::program;
  return part.told_by == ToldBy::allocator ? Keeper::allocator : Keeper::outside;
}

std::array<std::int64_t, keepers> by_keeper(std::span<const MeasuredPart> parts) {
  std::array<std::int64_t, keepers> sums{};
  for (const MeasuredPart& part : parts) sums[static_cast<std::size_t>(keeper_of(*part.part))] += part.bytes;
  return sums;
}

const MeasuredPart* largest_of(std::span<const MeasuredPart> parts, Keeper keeper) {
  const MeasuredPart* largest = nullptr;
  for (const MeasuredPart& part : parts) {
    if (keeper_of(*part.part) == keeper && (largest == nullptr || part.bytes > largest->bytes)) largest = &part;
  }
  return largest;
}

std::string megabytes(double bytes) {
  return fmt::format("{:.1f} MB", bytes / 1e6);
}

double a_second(std::int64_t now, std::int64_t before, double seconds) {
  return static_cast<double>(now - before) / seconds;
}

// What grows, by keeper, in bytes a second. Less than 500 kB in all, or 0.3 % of RSS, is noise.
struct Rates {
  std::array<double, keepers> of{};
  double rss = 0;
  bool is_known = false;
  bool is_growing = false;
};

Rates rates_of(const Footprint& footprint) {
  Rates rates;
  if (!footprint.earlier || footprint.earlier->seconds < 0.5) return rates;
  const auto now = by_keeper(footprint.parts);
  const auto before = by_keeper(footprint.earlier->parts);
  const double seconds = footprint.earlier->seconds;
  rates.is_known = true;
  for (std::size_t i = 0; i < keepers; ++i) rates.of[i] = a_second(now[i], before[i], seconds);
  rates.rss = a_second(static_cast<std::int64_t>(footprint.rss_bytes),
                       static_cast<std::int64_t>(footprint.earlier->rss_bytes), seconds);
  const double least = std::max(500e3, 3e-3 * static_cast<double>(footprint.rss_bytes)) / seconds;
  rates.is_growing = std::max(rates.rss, *std::max_element(rates.of.begin(), rates.of.begin() + 3)) >= least;
  return rates;
}

// The one that most of the growth is of, or else the one that has most.
Keeper subject_of(const Footprint& footprint, const Rates& rates) {
  const auto sums = by_keeper(footprint.parts);
  const auto most = static_cast<std::size_t>(std::max_element(sums.begin(), sums.begin() + 3) - sums.begin());
  const auto fastest =
      static_cast<std::size_t>(std::max_element(rates.of.begin(), rates.of.begin() + 3) - rates.of.begin());
  const bool grows_elsewhere = rates.is_growing && rates.of[fastest] > 0.5 * std::max(rates.rss, rates.of[fastest]);
  return static_cast<Keeper>(grows_elsewhere ? fastest : most);
}

std::string growth_text(const Rates& rates, Keeper subject) {
  if (!rates.is_known) return {};
  if (!rates.is_growing) return ", not growing";
  return fmt::format(", {:+.1f} MB/s", rates.of[static_cast<std::size_t>(subject)] / 1e6);
}

std::string share_text(double bytes, const Footprint& footprint) {
  return fmt::format("{:.0f} %", 100 * bytes / static_cast<double>(std::max<std::uint64_t>(footprint.rss_bytes, 1)));
}

std::string of_program(const Footprint& footprint, const Rates& rates, double live) {
  std::string text = fmt::format("{} live blocks{}: the program holds it; no setting of the allocator helps",
                                 share_text(live, footprint), growth_text(rates, Keeper::program));
  if (!footprint.grows_under.empty()) {
    text += "; most grows under " + footprint.grows_under;
  } else if (rates.is_growing || !rates.is_known) {
    text += "; /debug/holders?seconds=30 names who";
  }
  return text;
}

std::string knob_or(const std::vector<Knob>& knobs, std::string_view otherwise) {
  return knobs.empty() ? std::string(otherwise) : knobs.front().name;
}

std::uint64_t trimmable_bytes(const Footprint& footprint) {
  std::uint64_t sum = 0;
  if (!footprint.resident) return sum;
  for (const ResidentMemory::Arena& arena : footprint.resident->arenas) sum += arena.trimmable_bytes;
  return sum;
}

// Those that have next to nothing are of threads of no account, Plateau's among them.
std::size_t arenas_with_a_share(const Footprint& footprint, std::uint64_t free_bytes) {
  if (!footprint.resident) return 0;
  const auto& arenas = footprint.resident->arenas;
  return static_cast<std::size_t>(std::count_if(arenas.begin(), arenas.end(), [&](const ResidentMemory::Arena& arena) {
    return arena.free_bytes >= free_bytes / 200;
  }));
}

std::string of_allocator(const Footprint& footprint, const Rates& rates, double live) {
  const MeasuredPart& part = *largest_of(footprint.parts, Keeper::allocator);
  const std::vector<Knob> knobs = knobs_of(footprint);
  const std::string beside = fmt::format(", {} live{}", megabytes(live), growth_text(rates, Keeper::allocator));
  const std::string size = megabytes(static_cast<double>(part.bytes));
  const std::string_view id = part.part->id;
  if (id == "free") {
    const std::size_t arenas = arenas_with_a_share(footprint, static_cast<std::uint64_t>(part.bytes));
    const std::string where = arenas > 0 ? fmt::format(" in {} glibc arena{}", arenas, arenas == 1 ? "" : "s") : "";
    return fmt::format("{} free{}{}: the allocator keeps it; {}", size, where, beside,
                       knob_or(knobs, trimmable_bytes(footprint) > footprint.rss_bytes / 10
                                          ? "no setting; malloc_trim(0) now and then, here by ?gc=1"
                                          : "live blocks pin its pages, and no setting gives them back"));
  }
  if (id == "caches") {
    const std::uint64_t threads = footprint.resident ? footprint.resident->threads : 0;
    return fmt::format("{} in caches of {} threads{}: the allocator keeps it; {}", size, threads, beside,
                       knob_or(knobs, part.part->closed_by));
  }
  if (id == "pages" && !bytes_of(footprint.parts, "live"))
    return fmt::format("{} ({}) of mimalloc{}: it does not tell how much of that is live; libplateau_sampler.so does",
                       size, share_text(static_cast<double>(part.bytes), footprint),
                       growth_text(rates, Keeper::allocator));
  if (id == "slabs")
    return fmt::format("{} free in slabs that live blocks pin{}: fragmentation; no decay and no purge helps", size,
                       beside);
  return fmt::format("{} {}{}: the allocator keeps it; {}", size, part.part->name, beside,
                     knob_or(knobs, part.part->closed_by));
}

std::string of_outside(const Footprint& footprint, const Rates& rates) {
  const MeasuredPart* part = largest_of(footprint.parts, Keeper::outside);
  if (rates.is_growing) {
    for (const MeasuredPart& one : footprint.parts) {
      if (keeper_of(*one.part) != Keeper::outside) continue;
      const auto growth = [&](const MeasuredPart& of) {
        return of.bytes - bytes_of(footprint.earlier->parts, of.part->id).value_or(0);
      };
      if (growth(one) > growth(*part)) part = &one;
    }
  }
  const auto bytes = static_cast<double>(part->bytes);
  return fmt::format("not the heap: {} ({}) {}{}: {}", megabytes(bytes), share_text(bytes, footprint),
                     shown_name(footprint, *part->part), growth_text(rates, Keeper::outside),
                     part->part->id == part_id::interpreter
                         ? advice_for(footprint.resident->interpreter, footprint.resident->interpreter_file)
                         : std::string(part->part->closed_by));
}

std::vector<Knob> knobs_of_glibc(const ResidentMemory& resident, std::uint64_t cached) {
  std::uint64_t free_beside_main = 0;
  Knob large{"MALLOC_MMAP_THRESHOLD_=131072 (restart)"};
  Knob top{"MALLOC_TRIM_THRESHOLD_=131072 (restart)"};
  for (const ResidentMemory::Arena& arena : resident.arenas) {
    if (!arena.is_main) free_beside_main += arena.free_bytes;
    large.bytes += arena.large_bytes;
    top.bytes += arena.top_bytes;
  }
  // What is free in one arena beside the main one then serves the threads of all others too.
  Knob fewer{"MALLOC_ARENA_MAX=2 (restart)"};
  if (const std::size_t count = resident.arenas.size(); count > 2)
    fewer.bytes = free_beside_main / (count - 1) * (count - 2);
  return {fewer, large, top, Knob{"GLIBC_TUNABLES=glibc.malloc.tcache_count=0 (restart)", cached}};
}

}  // namespace

std::vector<Knob> knobs_of(const Footprint& footprint) {
  std::vector<Knob> knobs;
  const auto bytes = [&](std::string_view id) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(bytes_of(footprint.parts, id).value_or(0), 0));
  };
  if (footprint.resident && !footprint.resident->arenas.empty()) {
    knobs = knobs_of_glibc(*footprint.resident, bytes("caches"));
  } else if (footprint.allocator.starts_with("jemalloc")) {
    knobs = {{"MALLOC_CONF=dirty_decay_ms:1000,background_thread:true (restart), or ?gc=1 once", bytes("dirty")},
             {"MALLOC_CONF=tcache_max:4096 (restart)", bytes("caches")}};
  } else if (footprint.allocator.starts_with("tcmalloc")) {
    knobs = {{"TCMALLOC_RELEASE_RATE=10 (restart), or ?gc=1 once", bytes("dirty")},
             {"TCMALLOC_MAX_TOTAL_THREAD_CACHE_BYTES=33554432 (restart)", bytes("caches")}};
  }
  std::stable_sort(knobs.begin(), knobs.end(),
                   [](const Knob& one, const Knob& other) { return one.bytes > other.bytes; });
  std::erase_if(knobs,
                [&](const Knob& knob) { return knob.bytes < std::max<std::uint64_t>(footprint.rss_bytes / 100, 1); });
  return knobs;
}

namespace {

// A group that is full of what no process has in RSS.
std::string of_group(const Footprint& footprint) {
  if (!footprint.group) return {};
  const GroupMemory& group = *footprint.group;
  if (group.held_bytes < 2 * footprint.rss_bytes || group.held_bytes < group.limit_bytes / 2) return {};
  std::pair<std::string_view, std::uint64_t> most{"anon, of other processes", 0};
  const std::uint64_t anonymous = group.contents.anonymous.value_or(0);
  most.second = anonymous - std::min(anonymous, footprint.rss_bytes);
  for (const auto& [name, bytes] : {std::pair{"shmem", group.contents.shared},
                                    {"kernel", group.contents.kernel},
                                    {"sock", group.contents.sockets}}) {
    if (bytes.value_or(0) > most.second) most = {name, *bytes};
  }
  return fmt::format("; beside it, its group is at {:.0f} of {:.0f} MB: {} of {}",
                     static_cast<double>(group.usage_bytes) / 1e6, static_cast<double>(group.limit_bytes) / 1e6,
                     megabytes(static_cast<double>(most.second)), most.first);
}

std::string of_process(const Footprint& footprint) {
  const Rates rates = rates_of(footprint);
  const auto live = static_cast<double>(by_keeper(footprint.parts)[static_cast<std::size_t>(Keeper::program)]);
  switch (subject_of(footprint, rates)) {
    case Keeper::program:
      return of_program(footprint, rates, live);
    case Keeper::allocator:
      return of_allocator(footprint, rates, live);
    default:
      return of_outside(footprint, rates);
  }
}

}  // namespace

std::string shown_name(const Footprint& footprint, const WaterfallPart& part) {
  if (part.id == part_id::interpreter && footprint.resident) return heap_name_of(footprint.resident->interpreter);
  return std::string(part.name);
}

std::string verdict(const Footprint& footprint) {
  return of_process(footprint) + of_group(footprint);
}

}  // namespace plateau
