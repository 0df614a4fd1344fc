// Latencies in microseconds, log-spaced, in storage of fixed size: it lives in shared memory, survives the death of the
// process that fills it, and never allocates.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace plateau::harness {

// `bins` logarithmic bins over 0.1 us to 1000 s, ten decades, on Boost.Histogram's axis. One bin more on each side
// takes what falls outside.
template <unsigned bins>
struct LatencyAxis {
  static std::size_t bin_of(double us);       // 0 below the lowest edge, bins + 1 above the highest
  static double upper_edge(std::size_t bin);  // of bin 1 to `bins`
};
extern template struct LatencyAxis<1000>;
extern template struct LatencyAxis<150>;

// One writer; a reader in another process may see it a few samples old.
template <unsigned bins, class Count>
class BasicLatencyHistogram {
 public:
  // A value below the lowest edge counts in the lowest bin.
  void record(double us) {
    ++counts_[std::max<std::size_t>(1, Axis::bin_of(us))];
    if (us > max_us_) max_us_ = us;
    ++count_;
  }

  void merge(const BasicLatencyHistogram& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] = static_cast<Count>(counts_[i] + other.counts_[i]);
    if (other.max_us_ > max_us_) max_us_ = other.max_us_;
    count_ += other.count_;
  }

  // What was recorded since `earlier`, a state that this one was in. Its maximum is the upper edge of its last bin.
  BasicLatencyHistogram since(const BasicLatencyHistogram& earlier) const {
    BasicLatencyHistogram result;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      result.counts_[i] = static_cast<Count>(counts_[i] - earlier.counts_[i]);
    }
    double last_edge = 0;
    for (const auto& [upper, n] : result.buckets()) {
      result.count_ += n;
      last_edge = upper;
    }
    result.max_us_ = std::min(last_edge, max_us_);
    return result;
  }

  std::uint64_t count() const { return count_; }
  double max_us() const { return max_us_; }

  // Upper edge of the bin that holds the quantile, at most max_us(); 0 when empty.
  double quantile_us(double q) const {
    std::uint64_t seen = 0;
    const double wanted = q * static_cast<double>(count_);
    for (const auto& [upper, n] : buckets()) {
      seen += n;
      if (static_cast<double>(seen) >= wanted) return upper < max_us_ ? upper : max_us_;
    }
    return max_us_;
  }

  // (upper edge in us, count) of the bins that are not empty.
  std::vector<std::pair<double, std::uint64_t>> buckets() const {
    std::vector<std::pair<double, std::uint64_t>> result;
    for (std::size_t bin = 1; bin <= bins; ++bin) {
      if (counts_[bin] > 0) result.emplace_back(Axis::upper_edge(bin), static_cast<std::uint64_t>(counts_[bin]));
    }
    return result;
  }

 private:
  using Axis = LatencyAxis<bins>;

  std::array<Count, bins + 2> counts_{};
  double max_us_ = 0;
  std::uint64_t count_ = 0;
};

using LatencyHistogram = BasicLatencyHistogram<1000, std::uint64_t>;  // a bin is 2.3 % wide
using LatencyWindow = BasicLatencyHistogram<150, std::uint32_t>;      // 17 %; 700 bytes, for one of many moments

}  // namespace plateau::harness
