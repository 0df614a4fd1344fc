#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include <boost/json.hpp>

#include "profiling/formats/utf8_text.hpp"
#include "profiling/holders.hpp"

namespace plateau {
namespace json = boost::json;
namespace {

constexpr double enough_samples = 10;
constexpr double megabyte = 1e6;

// 122518: "122,518".
std::string grouped(double number) {
  std::string digits = fmt::format("{:.0f}", std::max(number, 0.0));
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<std::size_t>(at), 1, ',');
  return digits;
}

std::string_view word_of(Bounded bounded) {
  switch (bounded) {
    case Bounded::yes:
      return "yes";
    case Bounded::no:
      return "no";
    case Bounded::unknown:
      break;
  }
  return "?";
}

std::string rate(const Holders& holders, const HolderRow& row) {
  if (holders.seconds <= 0) return "-";
  if (row.growth_samples > 0 && row.growth_samples < enough_samples / 2)
    return fmt::format("{:.0f} samples", std::ceil(row.growth_samples));
  return fmt::format("{:+.3f}", row.grown_bytes / holders.seconds / megabyte);
}

std::string with_place(const HolderRow& row) {
  std::string text = row.place.empty() ? row.function : fmt::format("{} ({})", row.function, row.place);
  return row.through.empty() ? text : text + " through " + row.through;
}

// A container that takes an element for each block that stays, and is small beside what its elements hold: of a shared
// pointer, say. Nothing shows that it is the one; empty when there is none.
std::string candidate(const Holders& holders, const HolderRow& grows) {
  constexpr double hardly_any_freed = 0.9;
  constexpr double least_share_of_objects = 0.05;
  const HolderRow* best = nullptr;
  for (const HolderRow& row : holders.rows) {
    if (row.insertion.empty() || row.grown_objects < least_share_of_objects * grows.grown_objects) continue;
    if (!holders.tells_made || row.survival() < hardly_any_freed || row.grown_bytes <= 0) continue;
    if (best == nullptr || row.grown_objects > best->grown_objects) best = &row;
  }
  if (best == nullptr) return {};
  return fmt::format("\nperhaps it is held by what was taken in here and never let go: {} by {}; {} made, {} alive",
                     with_place(*best), best->insertion, grouped(best->made_objects), grouped(best->alive_objects));
}

std::string sentence(const Holders& holders) {
  if (!holders.probable) {
    if (const std::string few = too_few_samples(holders); !few.empty()) return few;
    if (holders.seconds <= 0) return "one look tells nothing of growth: ask with seconds (heap2pprof: --base)";
    const auto grows = std::find_if(holders.rows.begin(), holders.rows.end(),
                                    [&](const HolderRow& row) { return holders.bounded(row) == Bounded::no; });
    if (grows != holders.rows.end()) {
      return fmt::format("allocated here: {}; {:+.3f} MB/s; who holds it is not to be seen for certain",
                         with_place(*grows), grows->grown_bytes / holders.seconds / megabyte) +
             candidate(holders, *grows);
    }
    return fmt::format("nothing grew in {:.1f} s beyond what comes and goes", holders.seconds);
  }
  const HolderRow& row = holders.rows[*holders.probable];
  // Without a container, and without a word on what was freed, only the place of the allocation is known.
  const bool is_known = holders.tells_made || !row.insertion.empty();
  std::string text = (is_known ? "probably holds it: " : "allocated here: ") + with_place(row);
  if (!row.insertion.empty()) text += " by " + row.insertion;
  if (holders.tells_made)
    text += fmt::format("; {} made, {} alive", grouped(row.made_objects), grouped(row.alive_objects));
  text += fmt::format("; {:+.3f} MB/s", row.grown_bytes / holders.seconds / megabyte);
  if (!row.callers.empty()) text += "\n  called by " + row.callers;
  const HolderRow& largest = holders.rows.front();
  if (&largest != &row) {
    text += fmt::format("\nmost of the bytes are allocated here: {}; {:+.3f} MB/s{}", with_place(largest),
                        largest.grown_bytes / holders.seconds / megabyte,
                        largest.function == row.function ? "" : "; they may stay because of the holder");
  }
  return text;
}

}  // namespace

std::string too_few_samples(const Holders& holders) {
  if (holders.seconds <= 0 || holders.period <= 1 || holders.grown_bytes <= 0 || holders.probable) return {};
  double most = 0;
  double sum = 0;
  for (const HolderRow& row : holders.rows) {
    if (holders.bounded(row) == Bounded::no) return {};
    if (row.grown_bytes <= 0) continue;
    most = std::max(most, row.growth_samples);
    sum += row.growth_samples;
  }
  if (sum <= 0) return {};
  const double times = std::max(enough_samples / std::max(most, 1.0) * 2, 2.0);
  const double wait = std::max(std::ceil(holders.seconds * times / 10) * 10, 60.0);
  auto period = static_cast<std::uint64_t>(4096);
  while (static_cast<double>(period) * 2 * times <= static_cast<double>(holders.period)) period *= 2;
  const auto count = static_cast<std::uint64_t>(std::ceil(sum));
  return fmt::format("only {} sample{}: wait {:.0f} s, or a period of {}k (PLATEAU_SAMPLE_PERIOD={}k)", count,
                     count == 1 ? "" : "s", wait, period / 1024, period / 1024);
}

std::string to_text(const Holders& holders, const std::string& title, std::size_t rows) {
  std::string text = fmt::format("who holds the heap of {}", title);
  if (holders.seconds > 0) text += fmt::format(", over {:.1f} s", holders.seconds);
  if (holders.period > 1) text += fmt::format("; sampled once in {} bytes", holders.period);
  text += "; MB of 10^6 bytes\n";
  text += sentence(holders) + "\n\n";
  text += fmt::format("{:>10} {:>11} {:>12} {:>12} {:>9} {:>8}  {}\n", "alive MB", "growth MB/s", "made", "alive",
                      "survival", "bounded", "function");
  for (std::size_t i = 0; i < std::min(rows, holders.rows.size()); ++i) {
    const HolderRow& row = holders.rows[i];
    const bool tells = holders.tells_made;
    text += fmt::format("{:>10.3f} {:>11} {:>12} {:>12} {:>9} {:>8}  {}{}{}\n", row.alive_bytes / megabyte,
                        rate(holders, row), tells ? grouped(row.made_objects) : "-", grouped(row.alive_objects),
                        tells ? fmt::format("{:.1f} %", row.survival() * 100) : "-", word_of(holders.bounded(row)),
                        with_place(row), row.insertion.empty() ? "" : ", by ", row.insertion);
  }
  if (rows < holders.rows.size()) text += fmt::format("… and {} more functions\n", holders.rows.size() - rows);
  if (!holders.tells_made)
    text += "made and survival are not known: this profiler forgets what was freed (jemalloc: prof_accum:true)\n";
  return is_utf8(text) ? text : as_utf8(text);
}

std::string to_json(const Holders& holders) {
  json::array functions;
  for (std::size_t i = 0; i < holders.rows.size(); ++i) {
    const HolderRow& row = holders.rows[i];
    const auto text = [](const std::string& of) { return json::value(is_utf8(of) ? of : as_utf8(of)); };
    const auto of_made = [&](double value) { return holders.tells_made ? json::value(value) : json::value(nullptr); };
    const auto of_growth = [&](double value) {
      return holders.seconds > 0 ? json::value(value) : json::value(nullptr);
    };
    const Bounded bounded = holders.bounded(row);
    functions.push_back(json::object{
        {"function", text(row.function)},
        {"place", text(row.place)},
        {"callers", text(row.callers)},
        {"through", text(row.through)},
        {"insertion", text(row.insertion)},
        {"made_objects", of_made(row.made_objects)},
        {"made_bytes", of_made(row.made_bytes)},
        {"alive_objects", row.alive_objects},
        {"alive_bytes", row.alive_bytes},
        {"survival", of_made(row.survival())},
        {"growth_bytes_per_second", of_growth(holders.seconds > 0 ? row.grown_bytes / holders.seconds : 0)},
        {"growth_objects_per_second", of_growth(holders.seconds > 0 ? row.grown_objects / holders.seconds : 0)},
        {"growth_samples", row.growth_samples},
        {"bounded", bounded == Bounded::unknown ? json::value(nullptr) : json::value(bounded == Bounded::yes)}});
  }
  const std::string few = too_few_samples(holders);
  const std::string headline = sentence(holders);
  const json::object result{{"headline", is_utf8(headline) ? headline : as_utf8(headline)},
                            {"seconds", holders.seconds},
                            {"period", holders.period},
                            {"alive_bytes", holders.alive_bytes},
                            {"probable", holders.probable ? json::value(*holders.probable) : json::value(nullptr)},
                            {"note", few.empty() ? json::value(nullptr) : json::value(few)},
                            {"functions", functions}};
  return json::serialize(result) + "\n";
}

}  // namespace plateau
