// Symbols that lie in the text of a profile itself, and so need no binary.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "profiling/name_style.hpp"
#include "profiling/profile.hpp"

namespace plateau {

//   0x0000000000401135 orders::add--std::push_back     jeprof --raw, ClickHouse: callers first, what they inlined
//   behind #	0x401135	orders.add+0x20	/srv/orders.go:10     Go's debug=1: one line a frame, what was inlined
//   first
//
// Not thread-safe. Everything that reads throws std::runtime_error when there is more than `most_bytes`.
class SymbolSection {
 public:
  SymbolSection(NameStyle style, std::size_t most_bytes) : style_(style), most_bytes_(most_bytes) {}

  // Each says whether the line was one of its kind.
  bool read_raw(std::string_view line);
  bool read_go(std::string_view line);
  // The comments of another stack begin: they repeat what was said of the addresses that the two have in common.
  void next_stack() { ++stack_number_; }

  bool empty() const { return functions_.empty(); }
  // The same profile with the named frames of those addresses that have a name.
  Profile applied(const Profile& profile) const;

 private:
  struct Frames {
    std::vector<NamedFrame> frames;  // what was inlined first
    std::size_t stack_number = 0;    // by which they were read
  };

  const Frames* at_return_address(std::uint64_t address) const;
  void count(std::size_t bytes);

  const NameStyle style_;
  const std::size_t most_bytes_;
  std::size_t used_bytes_ = 0;
  std::size_t stack_number_ = 0;
  std::unordered_map<std::uint64_t, Frames> functions_;  // by the address of the call, or the address after it
};

}  // namespace plateau
