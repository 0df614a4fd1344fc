#include "profiling/formats/other_profiles.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace plateau {
namespace {

using namespace std::string_view_literals;

struct Kind {
  std::string_view beginning;
  std::string_view name;
};

constexpr std::array kinds = std::to_array<Kind>({
    {"--- contention", "a contention profile (time spent waiting for locks); pprof reads it"},
    {"--- Stacks:", "a contention profile in an old format; jeprof reads it"},
    {"--- mutex", "a mutex profile of Go (a contention profile); go tool pprof reads it"},
    {"--- threadz", "a profile of threads; pprof reads it"},
    {"--- Thread ", "a profile of threads; pprof reads it"},
    {"--- profile", "a CPU profile of gperftools (jeprof --raw); pprof reads it"},
    {"JAVA PROFILE ", "a heap dump of Java (hprof); Eclipse MAT and VisualVM read it"},
    {"FLR\0"sv, "a recording of Java's Flight Recorder; jfr and JDK Mission Control read it"},
    {"PERFILE2", "perf's data (perf.data); perf report reads it"},
    {"desc: ", "a profile of Valgrind's massif; ms_print reads it"},
    {"# callgrind format", "a profile of Valgrind's callgrind; callgrind_annotate reads it"},
    {"version: 1\ncreator: callgrind", "a profile of Valgrind's callgrind; callgrind_annotate reads it"},
    {"{\"dhatFileVersion\"", "a profile of Valgrind's DHAT; its dh_view.html reads it"},
    {"{\"snapshot\":", "a heap snapshot of V8; the developer tools of Chromium read it"},
    {"___ Begin jemalloc statistics ___",
     "jemalloc's statistics (malloc_stats_print), which have no stacks; "
     "prof.dump, of a program that was started with prof:true, writes a profile"},
    {"MALLOC: ", "tcmalloc's statistics, which have no stacks; GetHeapSample or HeapProfilerDump give a profile"},
    {"<malloc version=", "glibc's malloc_info, which has no stacks"},
    {"Total: ", "the report of jeprof or pprof (--text), and not what it was made of"},
    {"Showing nodes accounting for", "the report of pprof (-top), and not what it was made of"},
    {"Showing top ", "the report of pprof (-top), and not what it was made of"},
    {"File: ", "the report of pprof (-top), and not what it was made of"},
    {"<!DOCTYPE", "a page of HTML: is it the answer of another server, or an error?"},
    {"<!doctype", "a page of HTML: is it the answer of another server, or an error?"},
    {"<html", "a page of HTML: is it the answer of another server, or an error?"},
    {"<?xml", "XML"},
    {"HTTP/1.", "an answer of HTTP with its head: fetch it without -i"},
    {"404 ", "the error of a server: is the path right?"},
    {"{", "JSON"},
    {"[", "JSON"},
    {"PK\x03\x04"sv, "a zip archive: unpack it first"},
    {"\xfd"
     "7zXZ\0"sv,
     "data of xz: give what xz -dc makes of it"},
    {"BZh", "data of bzip2: give what bzip2 -dc makes of it"},
    {"\x04\x22\x4d\x18", "data of lz4: give what lz4 -dc makes of it"},
    {"\xff\xfe"sv, "UTF-16, as Windows PowerShell's > writes it: give what iconv -f UTF-16 -t UTF-8 makes of it"},
    {"\xfe\xff"sv, "UTF-16: give what iconv -f UTF-16 -t UTF-8 makes of it"},
});

std::string_view first_line(std::string_view text) {
  std::string_view line = text.substr(0, text.find('\n'));
  while (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// "goroutine profile: total 12"
std::string count_profile(std::string_view line) {
  const std::size_t end = line.find(" profile: total ");
  if (end == std::string_view::npos || end == 0 || line.substr(0, end).find(' ') != std::string_view::npos) return {};
  return "a " + std::string(line.substr(0, end)) + " profile of Go; go tool pprof reads it";
}

// 0, 3, 0, period, 0: words of 4 or 8 bytes.
template <class Word>
bool is_cpu_profile(std::string_view text) {
  std::array<Word, 5> words{};
  if (text.size() < sizeof words) return false;
  std::memcpy(words.data(), text.data(), sizeof words);
  if (words[1] != 3) {
    for (Word& word : words) {
      auto bytes = std::bit_cast<std::array<std::byte, sizeof(Word)>>(word);
      std::reverse(bytes.begin(), bytes.end());
      word = std::bit_cast<Word>(bytes);
    }
  }
  return words[0] == 0 && words[1] == 3 && words[2] <= 1 && words[3] > 0;
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// "main;serve;encode 42", in every whole line.
bool is_collapsed(std::string_view text) {
  std::size_t lines = 0;
  while (lines < 10 && contains(text, "\n")) {
    const std::string_view line = first_line(text);
    text.remove_prefix(text.find('\n') + 1);
    const std::size_t space = line.rfind(' ');
    if (space == std::string_view::npos || space + 1 == line.size() || !contains(line.substr(0, space), ";"))
      return false;
    if (line.find_first_not_of("0123456789", space + 1) != std::string_view::npos) return false;
    ++lines;
  }
  return lines > 0;
}

}  // namespace

bool is_binary(std::string_view beginning) {
  return std::any_of(beginning.begin(), beginning.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte > 0 && byte < 7) || (byte > 13 && byte < 27) ||
           (byte > 27 && byte < 32);  // an escape begins a terminal's colours; zeros fill what a crash left
  });
}

std::string other_profile(std::string_view beginning) {
  if (beginning.starts_with("--- heap") && contains(beginning.substr(0, 200), "format = java")) {
    return "a heap profile of Java; pprof reads it";
  }
  if (beginning.starts_with("--- symbol")) {
    const std::size_t section = beginning.find("\n--- ");
    return section == std::string_view::npos ? std::string() : other_profile(beginning.substr(section + 1));
  }
  const std::string_view line = first_line(beginning);
  if (line.starts_with("# ") && contains(line, " stacks; columns:")) {
    return "the text of ?debug=1, for reading; fetch the same address without debug=1";
  }
  for (const Kind& kind : kinds) {
    if (beginning.starts_with(kind.beginning)) return std::string(kind.name);
  }
  if (std::string name = count_profile(line); !name.empty()) return name;
  if (is_cpu_profile<std::uint32_t>(beginning) || is_cpu_profile<std::uint64_t>(beginning)) {
    return "a CPU profile of gperftools; pprof reads it";
  }
  if (is_collapsed(beginning)) return "collapsed stacks, as for flamegraph.pl";
  return {};
}

}  // namespace plateau
