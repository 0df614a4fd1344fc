#include "profiling/legacy_heap.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "profiling/formats/heap_row.hpp"
#include "profiling/formats/legacy_heap_builder.hpp"
#include "profiling/formats/legacy_heap_header.hpp"
#include "profiling/formats/line_reader.hpp"
#include "profiling/formats/mapping_lines.hpp"
#include "profiling/formats/other_profiles.hpp"
#include "profiling/formats/symbol_section.hpp"

namespace plateau {
namespace {

constexpr std::size_t deepest_stack = 4096;  // no allocator records as many
constexpr std::size_t longest_thread_name = 4096;
constexpr std::size_t most_lines_before_header = 1000;

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what);
}

// The text ends where it must not. Never leaves the reader.
struct Cut {};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Another kind of file, or none that is known: no line of it is to blame.
class NotADump : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Reader {
 public:
  Reader(std::istream& dump, const LegacyHeapOptions& options)
      : lines_(dump),
        builder_(options.limits),
        symbols_(options.names, options.limits.profile_bytes),
        options_(options) {}

  LegacyHeap read() {
    try {
      const std::string_view header = find_header();
      bool has_samples = true;
      try {
        header.starts_with(jemalloc_header) ? read_jemalloc(header.substr(jemalloc_header.size()))
                                            : read_gperftools(header.substr(gperftools_header.size()));
      } catch (const Cut&) {
        has_samples = false;
      }
      end_samples(has_samples);
      read_what_is_behind();
      if (is_empty_jemalloc_) builder_.note("it has no stacks: jemalloc samples only while prof.active is true");
      if (before_ > 0) builder_.note(std::to_string(before_) + " lines before the dump are no part of it");
      if (skipped_ > 0) builder_.note(std::to_string(skipped_) + " lines are no part of a dump, and were skipped");
      return builder_.take(symbols_);
    } catch (const NotADump&) {
      throw;
    } catch (const std::runtime_error& error) {
      throw std::runtime_error("heap profile, line " + std::to_string(std::max<std::size_t>(lines_.line_number(), 1)) +
                               ": " + error.what());
    }
  }

 private:
  // The next line without the blanks before it; lasts until the next call.
  std::optional<std::string_view> next() {
    auto line = lines_.next();
    if (line) line->remove_prefix(std::min(line->find_first_not_of(" \t"), line->size()));
    return line;
  }

  std::string_view required() {
    const auto line = next();
    if (!line) throw Cut();
    return *line;
  }

  // A line that cannot be read: its end is missing, or it is wrong.
  [[noreturn]] void refuse(const std::string& what) const {
    if (lines_.is_unfinished()) throw Cut();
    fail(what);
  }

  void skip(std::string_view line) {
    if (!line.empty() && !lines_.is_unfinished()) ++skipped_;
  }

  static bool ends_samples(std::string_view line) {
    return begins_mappings(line) || begins_symbols(line) || is_heap_header(line);
  }

  // Terminals, shells and kubectl write lines before what they are asked for.
  std::string_view find_header() {
    const std::string beginning(lines_.beginning());
    if (beginning.empty()) fail("an empty file");
    if (!is_binary(before_header(beginning))) {
      for (std::size_t i = 0; i < most_lines_before_header; ++i) {
        const auto line = next();
        if (!line) break;
        const std::string_view text = without_marks(*line);
        if (is_heap_header(text)) return text;
        if (text.starts_with(jemalloc_header)) fail("no sampling period after heap_v2/");
        if (begins_symbols(text)) {
          read_symbols();
        } else if (text.starts_with("--- ") && !other_profile(text).empty()) {
          throw NotADump("not a heap profile, but " + other_profile(text));
        } else if (!text.empty() && !text.starts_with("--- heap") && !text.starts_with("--- growth")) {
          ++before_;
        }
      }
    }
    if (const std::string other = other_profile(beginning); !other.empty()) {
      throw NotADump("not a heap profile, but " + other);
    }
    throw NotADump(
        "heap profile, line 1: neither a jemalloc (heap_v2/) nor a gperftools (heap profile:) dump, nor a "
        "profile.proto" +
        header_behind_a_prefix(beginning));
  }

  // To after the line that ends the section.
  void read_symbols() {
    while (const auto line = next()) {
      if (line->starts_with("---")) return;
      symbols_.read_raw(*line);
    }
  }

  void read_jemalloc(std::string_view period_text) {
    std::int64_t period = 0;
    RowScanner scanner(period_text);
    if (!scanner.number(period) || period < 0) refuse("no sampling period after heap_v2/");

    // The totals: over all threads, then one row for each, which has the thread's name when it has one.
    HeapRow row;
    std::string_view totals_line = required();
    while (totals_line.empty()) totals_line = required();
    RowScanner totals(totals_line);
    if (!totals.skip("t*: ") || !totals.row(row)) refuse("not the totals of all threads (t*)");
    totals_ = row.in_use;
    const bool has_cumulative_counts = row.cumulative.objects != 0;
    const bool has_cumulative = row.cumulative.objects != 0 || row.in_use.objects == 0;
    builder_.begin("heap_v2/" + std::to_string(period) + " of jemalloc", period,
                   has_cumulative ? "" : "jemalloc records them only with prof_accum:true");
    note_period(period);
    std::string_view line = read_names();
    while (!ends_samples(line)) {
      if (line.starts_with('@')) {
        line = read_stack_of_jemalloc(line.substr(1));
        continue;
      }
      if (is_thread_row(line) || (!line.empty() && is_digit(line[0]))) refuse("neither a stack nor MAPPED_LIBRARIES");
      skip(line);
      line = required();
    }
    is_empty_jemalloc_ = totals_.objects == 0 && totals_.bytes == 0 && !has_cumulative_counts;
    last_ = line;
  }

  // Threads' names are free text: a newline in one makes it two lines.
  std::string_view read_names() {
    std::string* name = nullptr;
    for (std::string_view line = required();; line = required()) {
      if (is_thread_row(line)) {
        HeapRow row;
        const auto [id, text] = thread(line, row);
        name = &thread_names_[id];
        *name = text;
        if (text.empty() && !line.ends_with(' ')) name = nullptr;
        has_names_ = has_names_ || !text.empty();
        continue;
      }
      if (line.starts_with('@') || ends_samples(line) || name == nullptr) return line;
      if (line.empty()) continue;
      if (name->size() + line.size() > longest_thread_name) return line;
      if (!name->empty()) *name += '\n';
      *name += line;
      has_names_ = true;
    }
  }

  // Returns the line after it.
  std::string_view read_stack_of_jemalloc(std::string_view text) {
    read_stack(text);
    std::string_view line = required();
    for (; !is_thread_row(line) && !line.starts_with('@') && !ends_samples(line); line = required()) {
      skip(line);
    }
    RowScanner all(line);
    HeapRow row;
    if (!all.skip("t*: ") || !all.row(row)) refuse("not the counts of a stack (t*)");
    threads_.clear();
    std::optional<std::string_view> after = next();
    for (; after && is_thread_row(*after); after = next()) {
      if (!has_names_) continue;
      HeapRow own;
      try {
        const auto name = thread_names_.find(thread(*after, own).first);
        threads_.push_back({name == thread_names_.end() ? std::string_view() : name->second, own});
      } catch (const Cut&) {
        break;
      }
    }
    builder_.add(stack_, row, threads_);
    if (!after) throw Cut();
    return *after;
  }

  // "t<id>: <row>", or "t<id>: <row> <name>": gives id and name.
  std::pair<std::uint64_t, std::string_view> thread(std::string_view line, HeapRow& row) const {
    RowScanner scanner(line);
    std::uint64_t id = 0;
    if (!scanner.skip("t") || !scanner.number(id) || !scanner.skip(":") || !scanner.row(row)) {
      refuse("not the counts of a thread (t<i>)");
    }
    scanner.skip(" ");
    const std::string_view name = scanner.rest();
    return {id, name.substr(0, name.find_last_not_of(" \t") + 1)};
  }

  void read_gperftools(std::string_view text) {
    if (lines_.is_unfinished()) throw Cut();
    const GperftoolsHeader header = read_gperftools_header(text);
    totals_ = header.totals.in_use;
    if (header.is_growth) {
      builder_.begin_growth(header.name);
    } else {
      builder_.begin(header.name, header.period, header.why_no_cumulative);
      if (header.is_sampled) note_period(header.period);
    }
    is_exact_ = !header.is_sampled;
    std::string_view line = required();
    for (; !ends_samples(line); line = required()) {
      if (line.empty() || line.starts_with('#')) {
        symbols_.read_go(line);
        continue;
      }
      if (!is_digit(line[0]) && line[0] != '-') {
        skip(line);
        continue;
      }
      RowScanner sample(line);
      HeapRow row;
      if (!sample.row(row)) refuse("not the counts of a stack");
      sample.skip_spaces();
      if (!sample.skip("@")) refuse("counts without a stack");
      read_stack(sample.rest());
      symbols_.next_stack();
      builder_.add(stack_, row);
    }
    last_ = line;
  }

  void read_stack(std::string_view text) {
    stack_.clear();
    RowScanner scanner(text);
    for (scanner.skip_spaces(); !scanner.rest().empty(); scanner.skip_spaces()) {
      std::uint64_t address = 0;
      if (!scanner.skip("(nil)")) {
        scanner.skip("0x") || scanner.skip("0X");
        if (!scanner.number(address, 16)) refuse("not an address in a stack");
      }
      if (!scanner.rest().empty() && scanner.rest()[0] != ' ' && scanner.rest()[0] != '\t') {
        refuse("not an address in a stack");
      }
      if (stack_.size() == deepest_stack) fail("a stack of more than 4096 frames");
      stack_.push_back(address);
    }
  }

  void note_period(std::int64_t period) {
    if (period == 0 && (totals_.objects != 0 || totals_.bytes != 0)) {
      builder_.note("the sampling period is 0 or missing: counts are as sampled, and not scaled to what was allocated");
    }
  }

  // Without mappings, a text that is whole and one that was cut between two stacks look alike: the totals tell.
  void end_samples(bool has_end) {
    const bool is_whole = builder_.has_all(totals_);
    const std::string share = "its stacks have " + std::to_string(builder_.sampled().bytes) + " of " +
                              std::to_string(totals_.bytes) + " sampled bytes in use";
    if (has_end && !is_heap_header(last_)) {
      if (is_exact_ && !is_whole) {
        builder_.note("incomplete: the stacks of the dump have " + std::to_string(builder_.sampled().bytes) + " of " +
                      std::to_string(totals_.bytes) +
                      " bytes in use (gperftools' text holds 1 MiB, and of more the largest stacks)");
      }
      return;
    }
    if (is_whole && builder_.has_begun()) {
      if (!symbols_.empty() && !lines_.is_unfinished()) return;
      builder_.note(lines_.is_unfinished() ? "no MAPPED_LIBRARIES, and the last line has no newline: was it cut short?"
                                           : "no MAPPED_LIBRARIES: code has addresses instead of names");
      return;
    }
    if (!options_.is_partial || !builder_.has_begun()) {
      fail("cut short" + (builder_.has_begun() ? ": " + share + "; --partial reads what is there" : " in the header"));
    }
    builder_.note("partial: the text is cut short at line " + std::to_string(lines_.line_number()) + ", and " + share);
  }

  void read_what_is_behind() {
    bool is_in_symbols = begins_symbols(last_);
    if (is_heap_header(last_)) return note_another_dump();
    while (const auto line = next()) {
      if (is_heap_header(*line)) return note_another_dump();
      if (line->starts_with(legacy_heap_comment)) {
        builder_.comment(std::string_view(*line).substr(legacy_heap_comment.size()));
      } else if (begins_symbols(*line)) {
        is_in_symbols = true;
      } else if (line->starts_with("---")) {
        is_in_symbols = false;
      } else if (is_in_symbols) {
        symbols_.read_raw(*line);
      } else if (auto mapping = mappings_.read(*line)) {
        builder_.add_mapping(std::move(*mapping));
      }
    }
    if (lines_.is_unfinished() && !last_.empty()) {
      builder_.note("the last line has no newline: were mappings cut short?");
    }
  }

  void note_another_dump() {
    builder_.note("another dump begins on line " + std::to_string(lines_.line_number()) +
                  ": this profile is the first one's alone");
  }

  LineReader lines_;
  LegacyHeapBuilder builder_;
  SymbolSection symbols_;
  MappingLines mappings_;
  const LegacyHeapOptions options_;
  HeapCount totals_;
  std::string last_;  // the line that ended the samples
  bool is_exact_ = false;
  bool is_empty_jemalloc_ = false;
  bool has_names_ = false;
  std::size_t before_ = 0;   // lines
  std::size_t skipped_ = 0;  // lines
  std::unordered_map<std::uint64_t, std::string> thread_names_;
  std::vector<LegacyHeapBuilder::ThreadRow> threads_;  // of one stack
  std::vector<std::uint64_t> stack_;
};

}  // namespace

LegacyHeap read_legacy_heap(std::istream& dump, const LegacyHeapOptions& options) {
  return Reader(dump, options).read();
}

LegacyHeap read_legacy_heap(std::istream& dump, const LegacyHeapLimits& limits) {
  return read_legacy_heap(dump, LegacyHeapOptions{.limits = limits});
}

}  // namespace plateau
