// Threads by allocators: the batch with 1 to 16 workers on each allocator, and who freed whose memory.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "labs/harness/arm/arm.hpp"

namespace plateau::order_batch {

// All fixes but `ownership`, and at the end, with most workers, all of them. The sampler is in front of malloc in each.
std::vector<harness::ArmSpec> thread_matrix_arms(const harness::ArmSpec& base);

// Counts, and ratios to glibc with as many workers. Says nothing of speed: it is the machine's, which has few cores.
std::string format_thread_matrix(const std::deque<harness::ArmResult>& arms);

}  // namespace plateau::order_batch
