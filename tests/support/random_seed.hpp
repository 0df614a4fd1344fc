// The seed of a random test: new in each run, unless PLATEAU_TEST_SEED repeats one. The test prints it when it fails.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>

namespace plateau::testing {

inline std::uint64_t random_seed() {
  const char* const given = std::getenv("PLATEAU_TEST_SEED");  // NOLINT(concurrency-mt-unsafe): no test sets it
  return given != nullptr ? std::stoull(given) : std::random_device{}();
}

}  // namespace plateau::testing
