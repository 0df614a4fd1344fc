// What an expiring generation will cost its request, from what a small one costs at the start.
#pragma once

#include "labs/gc_pause/request.hpp"

namespace plateau::gc_pause {

// CPU time of one request thread.
struct ExpiryForecast {
  double teardown_ms = 0;  // objects x cost of destructor and free
  double purge_ms = 0;     // runs of empty pages x cost of a madvise, with the decay that is set; 0 where nobody tells
};

// Builds half a generation in each lane and takes it apart, twice, and doubles what the second time took. Leaves memory
// behind: meant for a forked child. About a second. Throws std::bad_alloc.
ExpiryForecast forecast_expiry(const RequestStream& stream);

}  // namespace plateau::gc_pause
