#include "profiling/formats/top_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <initializer_list>
#include <iterator>
#include <map>
#include <set>

namespace plateau {
namespace {

class Collector {
 public:
  explicit Collector(const CallTree& tree) : tree_(tree) {}

  void collect(std::size_t index) {
    const CallTree::Node& node = tree_.nodes()[index];
    const bool is_outermost = index != 0 && path_.insert(node.name).second;
    if (index != 0) {
      TopRow& row = rows_.try_emplace(node.name, TopRow{.function = node.name}).first->second;
      row.flat += node.self;
      if (is_outermost) row.cumulative += node.total;
    }
    for (const auto& [name, child] : node.children) collect(child);
    if (is_outermost) path_.erase(node.name);
  }

  std::vector<TopRow> rows() const {
    std::vector<TopRow> rows;
    for (const auto& [name, row] : rows_) rows.push_back(row);
    std::stable_sort(rows.begin(), rows.end(), [](const TopRow& a, const TopRow& b) {
      return std::pair(std::abs(a.flat), std::abs(a.cumulative)) > std::pair(std::abs(b.flat), std::abs(b.cumulative));
    });
    return rows;
  }

 private:
  const CallTree& tree_;
  std::set<std::string_view> path_;
  std::map<std::string_view, TopRow> rows_;
};

std::string percentage(std::int64_t part, std::int64_t total) {
  return total == 0 ? "0%" : fmt::format("{:.4g}%", 100.0 * static_cast<double>(part) / static_cast<double>(total));
}

}  // namespace

std::vector<TopRow> top_rows(const CallTree& tree) {
  Collector collector(tree);
  collector.collect(0);
  return collector.rows();
}

std::string human(std::int64_t value, std::string_view unit) {
  const auto scaled = [value](double step, std::initializer_list<const char*> names) {
    auto rest = static_cast<double>(value);
    auto name = names.begin();
    for (; std::next(name) != names.end() && std::abs(rest) >= step; ++name) rest /= step;
    return fmt::format("{:.{}f}{}", rest, name == names.begin() ? 0 : 2, *name);
  };
  if (unit == "bytes") return scaled(1024, {"B", "kB", "MB", "GB", "TB"});
  if (unit == "nanoseconds") return scaled(1000, {"ns", "us", "ms", "s"});
  return fmt::format("{}", value);
}

std::string top_table(const CallTree& tree, std::string_view unit, std::size_t rows) {
  const std::vector<TopRow> all = top_rows(tree);
  const std::size_t shown = std::min(rows, all.size());
  std::string text =
      fmt::format("Showing {} of {} functions, {} in total{}\n", shown, all.size(), human(tree.total(), unit),
                  unit == "bytes" ? "; kB and MB of 1024, as pprof prints them" : "");
  text += fmt::format("{:>10} {:>8} {:>8} {:>10} {:>8}\n", "flat", "flat%", "sum%", "cum", "cum%");
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < shown; ++i) {
    sum += all[i].flat;
    text += fmt::format("{:>10} {:>8} {:>8} {:>10} {:>8}  {}\n", human(all[i].flat, unit),
                        percentage(all[i].flat, tree.total()), percentage(sum, tree.total()),
                        human(all[i].cumulative, unit), percentage(all[i].cumulative, tree.total()), all[i].function);
  }
  return text;
}

}  // namespace plateau
