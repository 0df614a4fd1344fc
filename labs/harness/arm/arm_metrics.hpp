// An arm's own figures for /metrics.
#pragma once

#include "labs/harness/arm/arm_block.hpp"
#include "labs/harness/lab.hpp"

namespace plateau {
class MetricFamilies;
}

namespace plateau::harness {

// plateau_operations_total, plateau_latency_seconds, pauses and purges where they are measured, and the lab's gauges.
// Thread-safe; as of the block, whose writers go on meanwhile.
void add_arm_metrics(const LabDescription& lab, const ArmSpec& spec, const ArmBlock& block, MetricFamilies& families);

}  // namespace plateau::harness
