#include "allocators/bench/targets.hpp"

namespace plateau::bench {

std::vector<TargetRow> evaluate_targets(const Measured& nanoseconds) {
  std::vector<TargetRow> rows;
  // How many times as long the first takes as the second.
  const auto ratio = [&](const std::string& text, const std::string& name, const std::string& numerator,
                         const std::string& denominator, double bound, bool at_most) {
    const auto above = nanoseconds(name, numerator);
    const auto below = nanoseconds(name, denominator);
    if (above && below && *below > 0) rows.push_back({text + ", " + name, *above / *below, bound, at_most, "x", ""});
  };
  for (const std::string name : {"batch, 8 B", "batch, 64 B", "batch, 512 B", "batch, 8 to 512 B"}) {
    ratio("Arena against the ideal bump", name, "plateau::Arena", "ideal bump", 1.15, true);
    ratio("Arena faster than pmr monotonic", name, "std::pmr::monotonic", "plateau::Arena", 2.5, false);
    ratio("Arena as memory_resource against pmr monotonic", name, "plateau::Arena as memory_resource",
          "std::pmr::monotonic", 1.0, true);
  }
  const std::string reset = "reset of a 1 GiB arena";
  const auto many = nanoseconds(reset, "64 B objects");
  const auto few = nanoseconds(reset, "64 KiB objects");
  if (many) rows.push_back({reset + ", 64 B objects", *many / 1000, 50, true, " us", ""});
  if (few) rows.push_back({reset + ", 64 KiB objects", *few / 1000, 50, true, " us", ""});
  for (const std::string name : {"16 blocks of 64 B, last in first out", "1000 blocks of 64 B, first in first out",
                                 "1000 blocks of 64 B, random order", "1000 blocks of 8 B, first in first out",
                                 "1000 blocks of 512 B, first in first out"}) {
    ratio("Pool against the ideal pool", name, "plateau::Pool", "ideal pool", 1.1, true);
    ratio("Pool against boost::pool", name, "plateau::Pool", "boost::pool", 1.1, true);
  }
  ratio("ConcurrentPool faster than pmr synchronized", "64 B blocks, one thread takes, the other gives back",
        "std::pmr::synchronized_pool", "plateau::ConcurrentPool", 3.0, false);
  for (const std::string name : {"4 KiB buffers, two threads", "32 buffers of 4 KiB in flight, two threads"}) {
    ratio("Recycler faster than a vector with a mutex", name, "vector with a mutex", "plateau::Recycler", 5.0, false);
    ratio("Recycler faster than malloc and free of jemalloc", name, "jemalloc", "plateau::Recycler", 3.0, false);
    if (name == "4 KiB buffers, two threads" && !rows.empty()) rows.back().note = "the limit: allocators/README.md";
  }
  return rows;
}

}  // namespace plateau::bench
