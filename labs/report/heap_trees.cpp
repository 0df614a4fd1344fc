#include "labs/report/heap_trees.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "profiling/formats/call_tree.hpp"
#include "profiling/formats/pprof_reader.hpp"

namespace plateau::report {
namespace fs = std::filesystem;
namespace json = boost::json;
namespace {

constexpr std::int64_t parts_of_the_whole = 5000;  // a smaller frame is narrower than a fifth of a pixel
constexpr std::string_view drawn_types[] = {"inuse_space", "alloc_space", "space", "lifetime", "pause", "cpu"};

// Names of functions, each once.
class NameTable {
 public:
  std::size_t index_of(std::string_view name) {
    const auto [found, is_new] = index_.try_emplace(std::string(name), names_.size());
    if (is_new) names_.emplace_back(name);
    return found->second;
  }
  json::array take() { return std::move(names_); }

 private:
  std::unordered_map<std::string, std::size_t> index_;  // owns the names: it outlives the trees
  json::array names_;
};

json::array node_json(const CallTree& tree, std::size_t index, NameTable& names) {
  const CallTree::Node& node = tree.nodes()[index];
  const std::size_t name_index = names.index_of(index == 0 ? "all" : node.name);
  json::array children;
  for (const auto& [name, child] : node.children) {
    if (tree.nodes()[child].total > 0 && tree.nodes()[child].total >= tree.total() / parts_of_the_whole) {
      children.push_back(node_json(tree, child, names));
    }
  }
  return {name_index, node.total, std::move(children)};
}

// [from, to, objects, bytes] for each two threads of a profile of foreign frees, by its labels; none of others.
json::array crossings_json(const ReadProfile& profile) {
  std::map<std::pair<std::string_view, std::string_view>, std::array<std::int64_t, 2>> sums;
  for (const ReadProfile::Sample& sample : profile.samples) {
    std::pair<std::string_view, std::string_view> threads;
    for (const ReadProfile::Label& label : sample.labels) {
      if (label.key == "from") threads.first = label.text;
      if (label.key == "to") threads.second = label.text;
    }
    if (threads.first.empty() || threads.second.empty() || sample.values.size() != 2) continue;
    auto& sum = sums[threads];
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += sample.values[i];
  }
  json::array crossings;
  for (const auto& [threads, sum] : sums)
    crossings.push_back(json::array{threads.first, threads.second, sum[0], sum[1]});
  return crossings;
}

json::object profile_json(const ReadProfile& profile) {
  NameTable names;
  json::object types;
  for (const std::string_view wanted : drawn_types) {
    const auto found = std::find_if(profile.sample_types.begin(), profile.sample_types.end(),
                                    [&](const ReadProfile::ValueType& type) { return type.type == wanted; });
    if (found == profile.sample_types.end()) continue;
    const CallTree tree(profile, static_cast<std::size_t>(found - profile.sample_types.begin()));
    if (tree.total() <= 0) continue;
    types[wanted] = {{"unit", found->unit}, {"total", tree.total()}, {"tree", node_json(tree, 0, names)}};
  }
  return {{"comments", json::value_from(profile.comments)},
          {"names", names.take()},
          {"types", std::move(types)},
          {"crossings", crossings_json(profile)}};
}

std::optional<fs::path> find_profile(const std::string& file, const std::string& result_path) {
  const fs::path folder = fs::path(result_path).parent_path();
  for (const fs::path& place : {fs::path(file), folder / file, folder / fs::path(file).filename()}) {
    std::error_code ignored;
    if (fs::is_regular_file(place, ignored)) return place;
  }
  return std::nullopt;
}

json::object read_profile(const fs::path& place) {
  try {
    std::ifstream in(place, std::ios::binary);
    return profile_json(read_pprof({std::istreambuf_iterator<char>(in), {}}));
  } catch (const std::exception& error) {
    throw std::runtime_error(fmt::format("{}: {}", place.string(), error.what()));
  }
}

}  // namespace

json::array heap_trees(const json::object& result, const std::string& result_path, std::vector<std::string>& missing) {
  json::array all;
  for (const json::value& arm : result.at("arms").as_array()) {
    for (const auto& [moment, name] : arm.at("profiles").as_object()) {
      const std::string file(name.as_string());
      const auto place = find_profile(file, result_path);
      if (!place) {
        missing.push_back(file);
        continue;
      }
      json::object profile = read_profile(*place);
      profile["arm"] = arm.at("name");
      profile["moment"] = moment;
      profile["file"] = file;
      all.push_back(std::move(profile));
    }
  }
  return all;
}

}  // namespace plateau::report
