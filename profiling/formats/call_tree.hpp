// A profile as a tree of calls by function name, for a quick look without pprof.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "profiling/profile.hpp"

namespace plateau {

struct ReadProfile;
class Symbolizer;

// Not thread-safe.
class CallTree {
 public:
  struct Node {
    std::string_view name;
    std::int64_t self = 0;
    std::int64_t total = 0;                            // self and all that it called
    std::map<std::string_view, std::size_t> children;  // by name, index into nodes()
  };

  // Of one sample type. Frames are functions, inlined ones among them; what has no symbol is named after its file.
  // Functions that the profile says to drop are left out, with what they called, as pprof does.
  CallTree(const Profile& profile, std::size_t type, Symbolizer& symbolizer);
  // The same of a profile that was written: its functions have names already.
  CallTree(const ReadProfile& profile, std::size_t type);
  CallTree(const CallTree&) = delete;
  CallTree& operator=(const CallTree&) = delete;

  // The first is the root of all; its name is empty.
  const std::vector<Node>& nodes() const { return nodes_; }
  std::int64_t total() const { return nodes_[0].total; }

 private:
  struct NamedFrame {
    std::string_view name;
    bool is_dropped;
  };
  using Path = std::vector<NamedFrame>;  // from the root
  class Namer;

  void add(const Path& path, std::int64_t value);

  std::vector<Node> nodes_{1};
  std::map<std::string, std::size_t, std::less<>> names_;  // owns them
};

}  // namespace plateau
