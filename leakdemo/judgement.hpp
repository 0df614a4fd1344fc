// Whether what a detector reported is the leak. Nothing else decides what the table says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "leakdemo/leaks/leak.hpp"
#include "leakdemo/observation.hpp"

namespace plateau::leakdemo {

enum class Finding {
  found,        // most of what it reports is at the place of the fault
  vague,        // it reports growth, and most of it at no place or another
  missed,       // it reports nothing to speak of
  silent,       // the same, and rightly so: it is no leak, though RSS grows
  false_alarm,  // it reports the repaired program
  not_run,
};

std::string_view to_string(Finding finding);

struct Judgement {
  Finding finding = Finding::not_run;
  std::string kind;                    // what it called most of it; why it was not run
  std::int64_t reported_bytes = 0;     // in all
  std::int64_t named_bytes = 0;        // of those, at the place of the fault
  std::int64_t fixed_bytes = 0;        // that it reports of the repaired program
  std::size_t row = 0;                 // of what was found: 1 when its largest report is at the place, 0 when none is
  std::optional<double> error;         // of what was found, against what the program left behind: 0.1 is 10 % too much
  std::vector<std::string> functions;  // of the largest report, leaf first
};

// A report counts when all reports together are a tenth of what the fault leaves behind: a service has a little that is
// in use at the end, and a sampled profile has noise.
Judgement judge(const Leak& leak, const Observation& fault, const Observation& repair);

}  // namespace plateau::leakdemo
