#include "profiling/call_tree.hpp"

#include <algorithm>
#include <optional>
#include <regex>
#include <span>
#include <unordered_map>
#include <utility>

#include "profiling/symbolizer.hpp"

namespace plateau {
namespace {

// pprof matches names without their parameters. "(anonymous namespace)" and "operator()" do not begin any.
std::string without_parameters(std::string_view name) {
  for (std::size_t at = name.find('('); at != std::string_view::npos; at = name.find('(', at + 1)) {
    const std::string_view rest = name.substr(at);
    if (rest.starts_with("(anonymous namespace)") ||
        (rest.starts_with("()") && name.substr(0, at).ends_with("operator")))
      continue;
    return std::string(name.substr(0, at));
  }
  return std::string(name);
}

struct NamedFrame {
  std::string_view name;
  bool is_dropped;
};

}  // namespace

CallTree::CallTree(const Profile& profile, std::size_t type, Symbolizer& symbolizer) {
  std::optional<std::regex> drop;
  if (!profile.drop_frames.empty()) drop.emplace(profile.drop_frames);
  std::unordered_map<std::string_view, bool> is_dropped;
  const auto named = [&](std::string_view text) -> NamedFrame {
    const auto entry = names_.try_emplace(std::string(text), 0).first;
    const auto [known, is_new] = is_dropped.try_emplace(entry->first);
    if (is_new) known->second = drop && std::regex_match(without_parameters(text), *drop);
    return {entry->first, known->second};
  };
  const auto frames_at = [&](std::uint64_t address) {
    std::vector<NamedFrame> frames;  // innermost first
    if (const auto name = profile.frame_name(address)) return std::vector{named(*name)};
    const auto mapping = std::find_if(profile.mappings.begin(), profile.mappings.end(), [&](const Mapping& candidate) {
      return address >= candidate.start && address < candidate.limit;
    });
    if (mapping == profile.mappings.end()) return std::vector{named("[unmapped]")};
    for (const Frame& frame : symbolizer.frames(*mapping, address)) frames.push_back(named(frame.function->name));
    if (frames.empty()) frames.push_back(named('[' + mapping->file.substr(mapping->file.rfind('/') + 1) + ']'));
    return frames;
  };

  std::unordered_map<std::uint64_t, std::vector<NamedFrame>> frames_by_address;
  std::vector<NamedFrame> path;  // from the root
  for (const Profile::Sample& sample : profile.samples()) {
    const std::int64_t value = profile.values(sample)[type];
    if (value == 0) continue;
    path.clear();
    const auto stack = profile.stack(sample);
    for (std::size_t i = stack.size(); i-- > 0;) {
      const bool is_return_address = (i > 0 || profile.leaf_is_return_address) && !profile.frame_name(stack[i]);
      const std::uint64_t address = stack[i] - (is_return_address && stack[i] > 0 ? 1 : 0);
      const auto [entry, is_new] = frames_by_address.try_emplace(address);
      if (is_new) entry->second = frames_at(address);
      path.insert(path.end(), entry->second.rbegin(), entry->second.rend());
    }
    // The outermost dropped function ends the stack, unless nothing would be left.
    const auto first_kept = std::find_if(path.begin(), path.end(), [](const NamedFrame& f) { return !f.is_dropped; });
    const auto end = std::find_if(first_kept, path.end(), [](const NamedFrame& frame) { return frame.is_dropped; });

    std::size_t node = 0;
    nodes_[0].total += value;
    for (auto frame = path.begin(); frame != end; ++frame) {
      const auto [child, is_new] = nodes_[node].children.try_emplace(frame->name, nodes_.size());
      node = child->second;
      if (is_new) nodes_.push_back({.name = frame->name, .self = 0, .total = 0, .children = {}});
      nodes_[node].total += value;
    }
    nodes_[node].self += value;
  }
}

}  // namespace plateau
