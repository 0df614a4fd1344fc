// What a detector said of one run of one program.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace plateau::leakdemo {

// One thing that it found: so many bytes, allocated by this stack.
struct Report {
  std::string kind;                    // in the detector's own words: "definitely lost", "growth"
  std::int64_t bytes = 0;              // below 0: memory that became less
  std::vector<std::string> functions;  // leaf first; of what has no stack, what it is called
};

struct Cost {
  double operation_seconds = 0;  // CPU time of the thread that did the operations
  double run_seconds = 0;        // CPU time of everything: start, operations, and what the detector does at the end
  std::int64_t peak_rss_bytes = 0;
};

struct Observation {
  std::string failure;  // one line, when the program could not be watched; nothing else is set then
  std::vector<Report> reports;
  Cost cost;
};

}  // namespace plateau::leakdemo
