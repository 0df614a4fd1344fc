#include "profiling/sampler/interface.hpp"

#include "profiling/sampler/next_allocator.hpp"
#include "profiling/sampler/recorder.hpp"

namespace plateau::sampler {
namespace {

void for_each_stack(void (*visit)(void*, const SampledStack&), void* context) {
  const auto objects = [](const Weight& weight) {
    return static_cast<double>(weight.objects) / static_cast<double>(Weight::object_scale);
  };
  recorder.stacks().for_each([&](std::span<const std::uintptr_t> stack, const AllocationTotals& totals) {
    const auto [allocated, in_use] = totals.read();
    if (allocated.objects == 0) return;
    visit(context, {stack.data(), stack.size(), objects(allocated), static_cast<double>(allocated.bytes),
                    objects(in_use), static_cast<double>(in_use.bytes)});
  });
}

void for_each_block(std::size_t least_bytes, void (*visit)(void*, const SampledBlock&), void* context) {
  recorder.blocks().for_each([&](const void* block, const RecordedBlock& record) {
    if (record.weight.objects == 0 || record.stack == of_ignored_threads) return;
    const auto stands_for = static_cast<double>(record.weight.bytes);
    const double bytes = stands_for * Weight::object_scale / static_cast<double>(record.weight.objects);
    if (bytes < static_cast<double>(least_bytes)) return;
    const auto frames = recorder.stacks().stack(record.stack);
    visit(context, {block, bytes, stands_for, frames.data(), frames.size()});
  });
}

bool ignore_thread(bool ignored) {
  const bool before = thread_state.ignored;
  thread_state.ignored = ignored;
  return before;
}

constexpr SamplerInterface sampler_interface{
    .start = [](std::uint64_t period_bytes) { recorder.start(period_bytes); },
    .stop = [] { recorder.stop(); },
    .counts = [] { return recorder.counts(); },
    .for_each_stack = for_each_stack,
    .for_each_block = for_each_block,
    .ignore_thread = ignore_thread,
};

}  // namespace
}  // namespace plateau::sampler

extern "C" {
#pragma GCC visibility push(default)

const plateau::sampler::SamplerInterface* plateau_sampler() {
  return &plateau::sampler::sampler_interface;
}

// Whom this malloc forwards to: for those who want to know which allocator the process runs on.
void* plateau_next_malloc() {
  plateau::sampler::next.free(nullptr);  // the first call of any looks them up
  return reinterpret_cast<void*>(plateau::sampler::next.malloc);
}

#pragma GCC visibility pop
}
