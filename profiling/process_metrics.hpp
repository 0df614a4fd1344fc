// Metrics of the process and its allocator, for Prometheus.
#pragma once

#include <string>

namespace plateau {

// The usual process_* metrics, and allocator_*: what the allocator cannot tell is absent. In the text format 0.0.4.
// Thread-safe; a few dozen microseconds.
std::string metrics_text();

}  // namespace plateau
