// What an expiring generation will cost its request, from what a small one costs at the start.
#pragma once

#include "labs/gc_pause/request.hpp"

namespace plateau::gc_pause {

struct ExpiryForecast {
  double teardown_ms = 0;  // blocks x cost of a free, destructors included
  double purge_ms = 0;     // runs of empty pages x cost of a madvise, with the decay that is set
};

// Builds a small generation twice and takes it apart, once with purging off. Changes the decay of this process and
// leaves memory behind: meant for a forked child. About a second. Throws std::bad_alloc.
ExpiryForecast forecast_expiry(const RequestStream& stream);

}  // namespace plateau::gc_pause
