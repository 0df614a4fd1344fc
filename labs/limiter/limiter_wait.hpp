// Waits for a limiter in real time.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>

#include "labs/limiter/limiter.hpp"

namespace plateau {

enum class Admission { granted, more_than_the_burst, too_late, stopped };

// Blocks until `n` events may happen. Says at once that they never may (more than the burst), or not before the
// deadline; takes nothing then. A stop gives back what was reserved. Thread-safe.
Admission wait_for(Limiter& limiter, std::stop_token stop, std::int64_t n = 1,
                   std::optional<std::chrono::steady_clock::time_point> deadline = {});

}  // namespace plateau
