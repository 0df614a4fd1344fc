// Reads gzipped profile.proto, as a scraper does: profiles that were written earlier, by this library or another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace plateau {

// A profile as a file has it: functions, lines and inlined frames by their ids. It is no Profile (profile.hpp): that is
// what a recorder has, stacks of raw addresses that are named only when they are written, and a file's frames, which
// may have no address at all, cannot be turned back into it.
struct ReadProfile {
  struct ValueType {
    std::string type;
    std::string unit;
  };
  struct Label {
    std::string key;
    std::string text;
    std::int64_t number = 0;
    std::string unit;
  };
  struct Sample {
    std::vector<std::uint64_t> locations;
    std::vector<std::int64_t> values;
    std::vector<Label> labels;
  };
  struct Mapping {
    std::uint64_t id = 0;
    std::uint64_t start = 0;
    std::uint64_t limit = 0;
    std::uint64_t offset = 0;
    std::string file;
    std::string build_id;
    bool has_functions = false;
    bool has_filenames = false;
    bool has_line_numbers = false;
    bool has_inline_frames = false;
  };
  struct Line {
    std::uint64_t function = 0;
    std::int64_t line = 0;
  };
  struct Location {
    std::uint64_t id = 0;
    std::uint64_t mapping = 0;
    std::uint64_t address = 0;
    std::vector<Line> lines;
  };
  struct Function {
    std::uint64_t id = 0;
    std::string name;
    std::string system_name;
    std::string file;
    std::int64_t start_line = 0;
  };

  std::vector<ValueType> sample_types;
  std::vector<Sample> samples;
  std::vector<Mapping> mappings;
  std::vector<Location> locations;
  std::vector<Function> functions;
  std::vector<std::string> strings;
  std::string drop_frames;
  std::int64_t time_nanos = 0;
  std::int64_t duration_nanos = 0;
  ValueType period_type;
  std::int64_t period = 0;
  std::vector<std::string> comments;
  std::string default_sample_type;

  // The sum of the values of one sample type over all samples. Throws std::runtime_error when there is no such type.
  std::int64_t total(const std::string& type) const;
};

// Throws std::runtime_error when it is not a profile, or breaks a rule that Parca checks: string_table[0] is "", ids of
// mappings, locations and functions are 1..N in order and refer to what is there, every sample has a value for each
// type, no label key is empty.
ReadProfile read_pprof(const std::string& gzipped);

// The same for decompressed data of any writer, whose ids may be any numbers and whose labels may lack keys: the result
// holds to the rules. Throws std::runtime_error also when it takes more than `most_bytes` of memory.
ReadProfile decode_pprof(std::string_view data, std::size_t most_bytes);

}  // namespace plateau
