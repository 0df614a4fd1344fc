// What an expiring generation will cost its request, from what a small one costs at the start.
#pragma once

#include "labs/gc_pause/request.hpp"

namespace plateau::gc_pause {

// CPU time of one request thread.
struct ExpiryForecast {
  double teardown_ms = 0;  // objects x cost of destructor and free
  double purge_ms = 0;     // runs of empty pages x cost of a madvise, with the decay that is set; 0 where nobody tells
};

// Builds half a generation in each lane and takes it apart, again and again, and doubles the median of what that took.
// Leaves memory behind: meant for a forked child. Some two seconds for a heap of 2 GB. Throws std::bad_alloc.
ExpiryForecast forecast_expiry(const RequestStream& stream);

// Bytes that the sessions of a request take in an arena: of a few thousand requests.
double kept_bytes_a_request(std::size_t page_bytes);

// Requests of all lanes that fill a generation of such a heap.
std::uint64_t requests_per_generation(double heap_bytes, double kept_bytes_a_request);

// The page with which the expiry of a generation of such a heap takes so long here: by the forecasts for two sizes,
// between which time grows with the number of sessions. Leaves memory behind, as those do. Throws std::bad_alloc.
std::size_t page_for_pause(std::uint64_t seed, double heap_bytes, double pause_ms);

}  // namespace plateau::gc_pause
