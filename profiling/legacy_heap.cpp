#include "profiling/legacy_heap.hpp"

#include <cstddef>
#include <istream>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace plateau {
namespace {

constexpr std::string_view jemalloc_header = "heap_v2/";
constexpr std::string_view gperftools_header = "heap profile:";
constexpr std::string_view mappings_header = "MAPPED_LIBRARIES:";

class Converter {
 public:
  Converter(std::istream& dump, std::ostream& text) : dump_(dump), text_(text) {}

  void run() {
    if (!next()) fail("an empty file");
    if (line_.starts_with(gperftools_header)) {
      copy_rest(true);
    } else if (line_.starts_with(jemalloc_header)) {
      convert();
    } else {
      fail("neither a jemalloc (heap_v2/) nor a gperftools (heap profile:) dump");
    }
    if (!text_.flush()) throw std::runtime_error("cannot write the converted heap profile");
  }

 private:
  void convert() {
    const std::string period = line_.substr(jemalloc_header.size());
    if (!next()) fail("cut short before the totals");
    text_ << gperftools_header << ' ' << all_threads() << " @ heap_v2/" << period << '\n';
    std::string stack;
    while (next()) {
      if (line_.starts_with('@')) {
        stack = line_;
      } else if (line_.starts_with("  t*: ")) {
        if (stack.empty()) fail("counts without a stack");
        text_ << all_threads() << ' ' << stack << '\n';
        stack.clear();
      } else if (line_.starts_with(mappings_header)) {
        text_ << '\n';
        copy_rest(false);
        return;
      }  // else: rows of single threads ("  t<i>: …"), and the blank line before the mappings
    }
    fail("cut short: no MAPPED_LIBRARIES");
  }

  // The four numbers of a "  t*: 1: 2 [3: 4]" row.
  std::string_view all_threads() {
    constexpr std::string_view prefix = "  t*: ";
    const std::string_view line = line_;
    if (!line.starts_with(prefix) || !line.ends_with(']')) fail("not a row of counts");
    return line.substr(prefix.size());
  }

  void copy_rest(bool expect_mappings) {
    bool mappings = !expect_mappings;
    do {
      mappings = mappings || line_.starts_with(mappings_header);
      text_ << line_ << '\n';
    } while (next());
    if (!mappings) fail("cut short: no MAPPED_LIBRARIES");
  }

  bool next() {
    ++number_;
    return static_cast<bool>(std::getline(dump_, line_));
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw std::runtime_error("heap profile, line " + std::to_string(number_) + ": " + what);
  }

  std::istream& dump_;
  std::ostream& text_;
  std::string line_;
  std::size_t number_ = 0;
};

}  // namespace

void convert_to_gperftools_text(std::istream& dump, std::ostream& text) {
  Converter(dump, text).run();
}

}  // namespace plateau
