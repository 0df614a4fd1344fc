// Metrics of the process and its allocator, for Prometheus.
#pragma once

namespace plateau {

class MetricFamilies;

// The usual process_* metrics, and allocator_*: what the allocator cannot tell is absent. Thread-safe; a few dozen
// microseconds.
void add_process_metrics(MetricFamilies& families);

}  // namespace plateau
