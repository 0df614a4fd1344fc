// A lab with three fixes and a wrong one, for tests of what is decided from a description alone.
#pragma once

#include "labs/harness/lab.hpp"

namespace plateau::harness {

inline LabDescription lab() {
  return {.name = "lab",
          .symptom = "",
          .operation = "order",
          .mechanisms = {},
          .fixes = {{"a", ""}, {"b", ""}, {"c", ""}},
          .wrong_fixes = {{"wrong", "", "because", 12}},
          .gauges = {},
          .ablation_hours = 6};
}

}  // namespace plateau::harness
