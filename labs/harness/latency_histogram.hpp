// Latencies in microseconds, log-spaced, in storage of fixed size: it lives in shared memory, survives the death of the
// process that fills it, and never allocates.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include <boost/histogram.hpp>

namespace plateau::harness {

namespace histogram_detail {
namespace bh = boost::histogram;
// 0.1 us to 1000 s in 10 decades. One bin more on each side for what falls outside.
inline constexpr double lowest_us = 0.1;
inline constexpr double highest_us = 1e9;
using Axis = bh::axis::regular<double, bh::axis::transform::log, bh::axis::null_type>;
template <unsigned bins, class Count>
using Storage = bh::storage_adaptor<std::array<Count, bins + 2>>;
}  // namespace histogram_detail

// One writer; a reader in another process may see it a few samples old.
template <unsigned bins, class Count>
class BasicLatencyHistogram {
 public:
  void record(double us) {
    histogram_(us < histogram_detail::lowest_us ? histogram_detail::lowest_us : us);
    if (us > max_us_) max_us_ = us;
    ++count_;
  }

  void merge(const BasicLatencyHistogram& other) {
    histogram_ += other.histogram_;
    if (other.max_us_ > max_us_) max_us_ = other.max_us_;
    count_ += other.count_;
  }

  // What was recorded since `earlier`, a state that this one was in. Its maximum is the upper edge of its last bin.
  BasicLatencyHistogram since(const BasicLatencyHistogram& earlier) const {
    BasicLatencyHistogram result = *this;
    result.histogram_ -= earlier.histogram_;
    result.count_ = 0;
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
    const auto& axis = histogram_.axis(0);
    for (int i = 0; i < axis.size(); ++i) {
      if (const auto n = static_cast<std::uint64_t>(histogram_.at(i)); n > 0)
        result.emplace_back(axis.bin(i).upper(), n);
    }
    return result;
  }

 private:
  using Histogram =
      boost::histogram::histogram<std::tuple<histogram_detail::Axis>, histogram_detail::Storage<bins, Count>>;
  Histogram histogram_{
      std::make_tuple(histogram_detail::Axis(bins, histogram_detail::lowest_us, histogram_detail::highest_us))};
  double max_us_ = 0;
  std::uint64_t count_ = 0;
};

using LatencyHistogram = BasicLatencyHistogram<1000, std::uint64_t>;  // a bin is 2.3 % wide
using LatencyWindow = BasicLatencyHistogram<150, std::uint32_t>;      // 17 %; 700 bytes, for one of many moments

}  // namespace plateau::harness
