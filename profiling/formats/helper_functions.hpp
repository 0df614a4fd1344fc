// Tells a helper, which makes blocks for several callers, from a function that has them for itself.
#pragma once

#include <algorithm>
#include <compare>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace plateau {

// A function of the program's own on a stack, at the place of its call.
struct OwnCall {
  std::string function;
  std::string place;

  auto operator<=>(const OwnCall&) const = default;
};

// Whose a stack is.
struct Site {
  std::vector<OwnCall>
      calls;  // innermost first, each function once in a row; those that may be stepped to, and two more
  std::string insertion;
};

inline constexpr std::size_t most_steps = 3;
inline constexpr std::size_t shown_callers = 2;

// Which functions are helpers, whose blocks are their callers'; see holders.hpp.
class Helpers {
 public:
  // `samples` is how many blocks the bytes rest on.
  void add(const Site& site, double bytes, double samples) {
    if (!site.insertion.empty() || bytes <= 0) return;
    for (std::size_t i = 0; i + 1 < site.calls.size() && i < most_steps; ++i) {
      Share& share = callers_[path_of(site, i)][site.calls[i + 1].function];
      share.bytes += bytes;
      share.samples += samples;
    }
  }

  // Of site.calls, whose the blocks are.
  std::size_t step_of(const Site& site) const {
    std::size_t step = 0;
    if (!site.insertion.empty()) return step;
    while (step < most_steps && step + 1 < site.calls.size() && lumps_callers(path_of(site, step))) ++step;
    return step;
  }

 private:
  struct Share {
    double bytes = 0;
    double samples = 0;
  };
  using Path = std::vector<OwnCall>;

  // A caller that is stepped to is asked as what it is behind this helper.
  static Path path_of(const Site& site, std::size_t step) {
    return {site.calls.begin(), site.calls.begin() + static_cast<std::ptrdiff_t>(step) + 1};
  }

  bool lumps_callers(const Path& path) const {
    constexpr double all_but_one_callers = 0.9;
    constexpr double evidence = 3;
    const auto found = callers_.find(path);
    if (found == callers_.end()) return false;
    double sum = 0;
    double most = 0;
    int seen = 0;
    for (const auto& [caller, share] : found->second) {
      sum += share.bytes;
      most = std::max(most, share.bytes);
      if (share.samples >= evidence) ++seen;
    }
    return seen >= 2 && most < all_but_one_callers * sum;
  }

  std::map<Path, std::map<std::string, Share>> callers_;
};

}  // namespace plateau
