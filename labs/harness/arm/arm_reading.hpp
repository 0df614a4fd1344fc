// What an arm has said so far, from the block that it shares, for its result.
#pragma once

#include <vector>

#include "allocators/process_memory.hpp"
#include "labs/harness/arm/arm.hpp"
#include "labs/harness/arm/arm_block.hpp"
#include "labs/harness/lab.hpp"
#include "labs/harness/measure/hiccup_meter.hpp"

namespace plateau::harness {

Sample take_sample(const ArmSpec& spec, const ArmBlock& block, const ProcessMemory& process);

// The allocator it runs on, its gauges, and why it failed.
void read_names(const LabDescription& lab, const ArmBlock& block, ArmResult& result);

// Operations, allocation since the first sample of the series, purges, latency and digests.
void read_totals(const LabDescription& lab, const ArmBlock& block, ArmResult& result);

// Of labs that measure pauses. `hiccups` of the machine are taken out of the stalls.
void read_latency_windows(const ArmBlock& block, ArmResult& result);
void read_pauses(const ArmBlock& block, const std::vector<Hiccup>& hiccups, ArmResult& result);

}  // namespace plateau::harness
