#include "profiling/formats/legacy_heap_header.hpp"

#include <algorithm>
#include <cstddef>
#include <stdexcept>

namespace plateau {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what);
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// "\x1b[?2004l" and "\x1b]0;title\x07"; 0 when none begins the text.
std::size_t escape_sequence(std::string_view text) {
  if (text.starts_with("\x1b[")) {
    const std::size_t end = std::min(text.find_first_not_of("0123456789;?=>", 2), text.size());
    return std::min(end + 1, text.size());
  }
  if (text.starts_with("\x1b]")) {
    const std::size_t end = text.find('\x07');
    return end == std::string_view::npos ? 0 : end + 1;
  }
  return 0;
}

std::string not_sampling(std::string_view format) {
  if (format.starts_with("heap/")) {
    return "Go's runtime was not sampling (runtime.MemProfileRate is 0), so that nothing was recorded";
  }
  return "tcmalloc was not sampling, so that nothing was recorded: start the program with "
         "TCMALLOC_SAMPLE_PARAMETER=524288";
}

// "heap_v2/524288"; the number may be missing.
bool read_sampled_format(std::string_view format, std::int64_t& period) {
  const std::size_t slash = format.find('/');
  const std::string_view kind = format.substr(0, slash);
  if (kind != "heap" && kind != "heapz" && kind != "heap_v2" && kind != "heapz_v2") return false;
  period = 0;
  if (slash == std::string_view::npos) return true;
  RowScanner scanner(format.substr(slash + 1));
  if (!scanner.rest().empty() && (!scanner.number(period) || !scanner.rest().empty() || period < 0)) return false;
  // Whoever writes "heap" writes twice the mean.
  if (!kind.ends_with("_v2") && period > 1) period /= 2;
  return true;
}

}  // namespace

bool is_heap_header(std::string_view line) {
  if (line.starts_with(gperftools_header)) return true;
  return line.starts_with(jemalloc_header) && line.size() > jemalloc_header.size() &&
         is_digit(line[jemalloc_header.size()]);
}

bool begins_mappings(std::string_view line) {
  return line.starts_with("MAPPED_LIBRARIES:") || line.starts_with("--- Memory map:");
}

bool begins_symbols(std::string_view line) {
  return line.starts_with("--- symbol") || line.starts_with("---symbol");
}

bool is_thread_row(std::string_view line) {
  if (!line.starts_with('t')) return false;
  line.remove_prefix(1);
  if (line.starts_with("*:")) return true;
  const std::size_t end = line.find_first_not_of("0123456789");
  return end != 0 && end != std::string_view::npos && line[end] == ':';
}

std::string_view without_marks(std::string_view line) {
  while (!line.empty()) {
    std::size_t mark = line.starts_with("\xef\xbb\xbf") ? 3 : escape_sequence(line);
    if (mark == 0 && (line[0] == ' ' || line[0] == '\t' || line[0] == '\r')) mark = 1;
    if (mark == 0) break;
    line.remove_prefix(mark);
  }
  return line;
}

std::string_view before_header(std::string_view beginning) {
  for (std::string_view rest = beginning; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    if (is_heap_header(without_marks(line))) return beginning.substr(0, beginning.size() - rest.size());
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
  }
  return beginning;
}

std::string header_behind_a_prefix(std::string_view beginning) {
  for (std::size_t number = 1; !beginning.empty(); ++number) {
    const std::string_view line = beginning.substr(0, beginning.find('\n'));
    for (const std::string_view header : {jemalloc_header, gperftools_header}) {
      const std::size_t at = line.find(header);
      if (at == std::string_view::npos || at == 0 || at > 200 || !is_heap_header(line.substr(at))) continue;
      return " (line " + std::to_string(number) + " has \"" + std::string(line.substr(0, at)) +
             "\" before the header: take it off every line)";
    }
    beginning.remove_prefix(std::min(line.size() + 1, beginning.size()));
  }
  return {};
}

GperftoolsHeader read_gperftools_header(std::string_view text) {
  GperftoolsHeader header;
  RowScanner scanner(text);
  if (!scanner.row(header.totals)) fail("no totals after heap profile:");
  scanner.skip_spaces();
  if (!scanner.skip("@")) fail("no format after the totals");
  scanner.skip_spaces();
  std::string_view format = scanner.rest();
  format = format.substr(0, format.find_last_not_of(" \t\r") + 1);
  const HeapCount& in_use = header.totals.in_use;
  const HeapCount& cumulative = header.totals.cumulative;
  const bool is_empty = in_use.objects == 0 && in_use.bytes == 0;
  if (!is_empty && cumulative.objects == 0 && cumulative.bytes == 0) {
    header.why_no_cumulative = "the allocator wrote none";
  }
  if (format == "heapprofile") {
    header.name = "heapprofile of gperftools";
  } else if (format == "growth" || format == "growthz" || format == "fragmentation" || format == "fragmentationz") {
    header.name = std::string(format) + " of tcmalloc";
    header.is_growth = true;
  } else if (read_sampled_format(format, header.period)) {
    if (header.period == 0 && header.totals.empty()) fail(not_sampling(format));
    header.name = std::string(format) + (format.starts_with("heap/") ? " of tcmalloc or Go" : " of tcmalloc");
    header.is_sampled = true;
    if (in_use.objects == cumulative.objects && in_use.bytes == cumulative.bytes) {
      header.why_no_cumulative = "a sample of what is in use has no record of what was freed";
    }
  } else {
    fail("an unknown format: " + std::string(format.substr(0, 40)));
  }
  return header;
}

}  // namespace plateau
