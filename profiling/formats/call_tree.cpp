#include "profiling/formats/call_tree.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>

#include <boost/regex.hpp>

#include "profiling/formats/pprof_reader.hpp"
#include "profiling/formats/utf8_text.hpp"
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

}  // namespace

// Gives a name its place in the tree's table, and says whether the profile drops it.
class CallTree::Namer {
 public:
  Namer(CallTree& tree, const std::string& drop_frames) : names_(tree.names_) {
    if (!drop_frames.empty()) drop_.emplace(drop_frames);  // Boost's, which gives up where others take years
  }

  NamedFrame operator()(std::string_view text) {
    const auto entry = names_.try_emplace(is_utf8(text) ? std::string(text) : as_utf8(text), 0).first;
    const auto [known, is_new] = is_dropped_.try_emplace(entry->first);
    if (is_new) known->second = drop_ && boost::regex_match(without_parameters(text), *drop_);
    return {entry->first, known->second};
  }

 private:
  std::map<std::string, std::size_t, std::less<>>& names_;
  std::optional<boost::regex> drop_;
  std::unordered_map<std::string_view, bool> is_dropped_;
};

void CallTree::add(const Path& path, std::int64_t value) {
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

CallTree::CallTree(const Profile& profile, std::size_t type, Symbolizer& symbolizer) {
  Namer named(*this, profile.drop_frames);
  const auto frames_at = [&](std::uint64_t address) {
    Path frames;  // innermost first
    if (const auto name = profile.frame_name(address)) return Path{named(*name)};
    const auto mapping = std::find_if(profile.mappings.begin(), profile.mappings.end(), [&](const Mapping& candidate) {
      return address >= candidate.start && address < candidate.limit;
    });
    if (profile.mappings.empty()) return Path{named(fmt::format("{:#x}", address))};  // nothing says whose code it is
    if (mapping == profile.mappings.end()) return Path{named("[unmapped]")};
    for (const Frame& frame : symbolizer.frames(*mapping, address)) frames.push_back(named(frame.function->name));
    if (frames.empty()) {
      frames.push_back(named(mapping->code_name.empty() ? '[' + mapping->file.substr(mapping->file.rfind('/') + 1) + ']'
                                                        : mapping->code_name));
    }
    return frames;
  };

  std::unordered_map<std::uint64_t, Path> frames_by_address;
  Path path;
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
    add(path, value);
  }
}

CallTree::CallTree(const ReadProfile& profile, std::size_t type) {
  Namer named(*this, profile.drop_frames);
  std::vector<Path> frames_by_location;  // innermost first
  for (const ReadProfile::Location& location : profile.locations) {
    Path& frames = frames_by_location.emplace_back();
    for (const ReadProfile::Line& line : location.lines) {
      frames.push_back(named(profile.functions[line.function - 1].name));
    }
    if (!frames.empty()) continue;
    const std::string file = location.mapping == 0 ? "unmapped" : profile.mappings[location.mapping - 1].file;
    frames.push_back(named('[' + file.substr(file.rfind('/') + 1) + ']'));
  }

  Path path;
  for (const ReadProfile::Sample& sample : profile.samples) {
    const std::int64_t value = sample.values[type];
    if (value == 0) continue;
    path.clear();
    for (auto id = sample.locations.rbegin(); id != sample.locations.rend(); ++id) {
      const Path& frames = frames_by_location[*id - 1];
      path.insert(path.end(), frames.rbegin(), frames.rend());
    }
    add(path, value);
  }
}

}  // namespace plateau
