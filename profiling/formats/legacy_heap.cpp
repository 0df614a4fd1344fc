#include "profiling/legacy_heap.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "profiling/formats/heap_row.hpp"
#include "profiling/formats/legacy_heap_builder.hpp"
#include "profiling/formats/line_reader.hpp"
#include "profiling/mappings.hpp"

namespace plateau {
namespace {

constexpr std::string_view jemalloc_header = "heap_v2/";
constexpr std::string_view gperftools_header = "heap profile:";
constexpr std::string_view mappings_header = "MAPPED_LIBRARIES:";

constexpr std::size_t deepest_stack = 4096;  // no allocator records as many

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what);
}

class Reader {
 public:
  Reader(std::istream& dump, const LegacyHeapLimits& limits) : lines_(dump), builder_(limits) {}

  LegacyHeap read() {
    try {
      const auto header = lines_.next();
      if (!header) fail("an empty file");
      if (header->starts_with(jemalloc_header)) {
        read_jemalloc(header->substr(jemalloc_header.size()));
      } else if (header->starts_with(gperftools_header)) {
        read_gperftools(header->substr(gperftools_header.size()));
      } else {
        fail("neither a jemalloc (heap_v2/) nor a gperftools (heap profile:) dump");
      }
      while (const auto line = lines_.next()) {
        if (auto mapping = executable_mapping(*line)) builder_.add_mapping(std::move(*mapping));
      }
      return builder_.take();
    } catch (const std::runtime_error& error) {
      throw std::runtime_error("heap profile, line " + std::to_string(lines_.line_number()) + ": " + error.what());
    }
  }

 private:
  std::string_view next_line() {
    const auto line = lines_.next();
    if (!line) fail("cut short: no MAPPED_LIBRARIES");
    return *line;
  }

  // Returns after MAPPED_LIBRARIES, as the other one does.
  void read_jemalloc(std::string_view period_text) {
    std::int64_t period = 0;
    RowScanner scanner(period_text);
    if (!scanner.number(period) || period < 1) fail("no sampling period after heap_v2/");

    // The totals: over all threads, then one row for each, which has the thread's name when it has one.
    HeapRow row;
    RowScanner totals(next_line());
    if (!totals.skip("  t*: ") || !totals.row(row)) fail("not the totals of all threads (t*)");
    const bool has_cumulative = row.cumulative.objects != 0 || row.in_use.objects == 0;
    builder_.begin("heap_v2/" + std::to_string(period) + " of jemalloc", period,
                   has_cumulative ? "" : "jemalloc records them only with prof_accum:true");
    std::string_view line = next_line();
    for (; line.starts_with("  t"); line = next_line()) {
      const auto [id, name] = thread(line, row);
      if (!name.empty()) thread_names_.emplace(id, name);
    }
    while (!line.starts_with(mappings_header)) {
      if (line.empty()) {
        line = next_line();
        continue;
      }
      if (!line.starts_with('@')) fail("neither a stack nor MAPPED_LIBRARIES");
      read_stack(line.substr(1));
      RowScanner all(next_line());
      if (!all.skip("  t*: ") || !all.row(row)) fail("not the counts of a stack (t*)");
      threads_.clear();
      for (line = next_line(); line.starts_with("  t"); line = next_line()) {
        if (!thread_names_.empty()) read_thread_of_stack(line);
      }
      builder_.add(stack_, row, threads_);
    }
  }

  // "  t<id>: <row>", or "  t<id>: <row> <name>": gives id and name.
  static std::pair<std::uint64_t, std::string_view> thread(std::string_view line, HeapRow& row) {
    RowScanner scanner(line);
    std::uint64_t id = 0;
    if (!scanner.skip("  t") || !scanner.number(id) || !scanner.skip(":") || !scanner.row(row)) {
      fail("not the counts of a thread (t<i>)");
    }
    scanner.skip_spaces();
    return {id, scanner.rest()};
  }

  void read_thread_of_stack(std::string_view line) {
    HeapRow row;
    const auto name = thread_names_.find(thread(line, row).first);
    if (name != thread_names_.end()) threads_[name->second] += row;
  }

  void read_gperftools(std::string_view header) {
    RowScanner scanner(header);
    HeapRow totals;
    if (!scanner.row(totals)) fail("no totals after heap profile:");
    scanner.skip_spaces();
    if (!scanner.skip("@")) fail("no format after the totals");
    scanner.skip_spaces();
    begin_gperftools(scanner.rest(), totals);
    for (std::string_view line = next_line(); !line.starts_with(mappings_header); line = next_line()) {
      RowScanner sample(line);
      sample.skip_spaces();
      if (sample.rest().empty() || sample.rest().starts_with('#')) continue;
      HeapRow row;
      if (!sample.row(row)) fail("not the counts of a stack");
      sample.skip_spaces();
      if (!sample.skip("@")) fail("counts without a stack");
      read_stack(sample.rest());
      builder_.add(stack_, row);
    }
    if (scanner.rest() == "heapprofile") builder_.compare_with(totals.in_use);
  }

  void begin_gperftools(std::string_view format, const HeapRow& totals) {
    std::int64_t period = 1;
    RowScanner scanner(format);
    if (format == "heapprofile") {
      builder_.begin("heapprofile of gperftools", period, "");
    } else if (format == "growth" || format == "growthz") {
      builder_.begin_growth(std::string(format) + " of tcmalloc");
    } else if ((scanner.skip("heap_v2/") || scanner.skip("heapz_v2/") || scanner.skip("heap/")) &&
               scanner.number(period) && scanner.rest().empty() && period >= 1) {
      // A sample of what is in use repeats its counts in the cumulative columns.
      const bool repeats =
          totals.in_use.objects == totals.cumulative.objects && totals.in_use.bytes == totals.cumulative.bytes;
      builder_.begin(std::string(format) + " of tcmalloc", format.starts_with("heap/") ? period / 2 : period,
                     repeats ? "a sample of what is in use has no record of what was freed" : "");
    } else {
      fail("an unknown format: " + std::string(format.substr(0, 40)));
    }
  }

  void read_stack(std::string_view text) {
    stack_.clear();
    RowScanner scanner(text);
    for (scanner.skip_spaces(); !scanner.rest().empty(); scanner.skip_spaces()) {
      std::uint64_t address = 0;
      if (!scanner.skip("0x") || !scanner.number(address, 16)) fail("not an address in a stack");
      if (stack_.size() == deepest_stack) fail("a stack of more than 4096 frames");
      stack_.push_back(address);
    }
  }

  LineReader lines_;
  LegacyHeapBuilder builder_;
  std::unordered_map<std::uint64_t, std::string> thread_names_;
  std::map<std::string_view, HeapRow> threads_;  // of one stack, by name
  std::vector<std::uint64_t> stack_;
};

}  // namespace

LegacyHeap read_legacy_heap(std::istream& dump, const LegacyHeapLimits& limits) {
  return Reader(dump, limits).read();
}

}  // namespace plateau
