// Names of code that a program made itself (JIT), as Linux perf reads them: /tmp/perf-PID.map.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace plateau {

// Where this process writes its map; empty when it does not, or when the file is another user's.
std::string perf_map_of_this_process();

bool is_perf_map(std::string_view path);

// Not thread-safe.
class PerfMap {
 public:
  explicit PerfMap(std::string path) : path_(std::move(path)) {}

  // The name of the code at the address, or an empty one. Where code was replaced, that of the newer.
  std::string_view name_at(std::uint64_t address) const;

  // Reads what was appended since the last time; at most 64 MiB in all. What cannot be read is left out.
  void update();

 private:
  struct Code {
    std::uint64_t limit;
    std::string name;
  };

  void add_line(std::string_view line);

  std::string path_;
  std::uint64_t bytes_read_ = 0;
  std::map<std::uint64_t, Code> code_;  // by start
};

}  // namespace plateau
