// The lines by which the text of a heap profile is recognised.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "profiling/formats/heap_row.hpp"

namespace plateau {

constexpr std::string_view jemalloc_header = "heap_v2/";
constexpr std::string_view gperftools_header = "heap profile:";

// Whether a dump begins with this line.
bool is_heap_header(std::string_view line);
bool begins_mappings(std::string_view line);
bool begins_symbols(std::string_view line);
// "t*: …", "t12: …"
bool is_thread_row(std::string_view line);

// The line without what a terminal or an editor puts before it: a byte order mark, escape sequences, blanks.
std::string_view without_marks(std::string_view line);

// The text before the first line that is a header; all of it when none is.
std::string_view before_header(std::string_view beginning);

// Says where a header lies behind something else (names of containers, times), as " (line 3 …)"; empty: nowhere.
std::string header_behind_a_prefix(std::string_view beginning);

struct GperftoolsHeader {
  std::string name;  // "heap_v2/524288 of tcmalloc"
  HeapRow totals;
  std::int64_t period = 1;  // 0: sampled, and it is not known how
  bool is_sampled = false;
  bool is_growth = false;  // of two columns
  std::string why_no_cumulative;
};

// `text` is what follows "heap profile:". Throws std::runtime_error: it is none, or nothing was recorded.
GperftoolsHeader read_gperftools_header(std::string_view text);

}  // namespace plateau
