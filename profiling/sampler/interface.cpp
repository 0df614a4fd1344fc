#include "profiling/sampler/interface.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

#include "profiling/sampler/next_allocator.hpp"
#include "profiling/sampler/recorder.hpp"

namespace plateau::sampler {
namespace {

double objects_of(const Weight& weight) {
  return static_cast<double>(weight.objects) / static_cast<double>(Weight::object_scale);
}

std::span<const std::uintptr_t> frames_of(std::int64_t stack) {
  return stack < 0 ? std::span<const std::uintptr_t>() : recorder.stacks().stack(static_cast<std::uint32_t>(stack));
}

void for_each_stack(void (*visit)(void*, const SampledStack&), void* context) {
  recorder.stacks().for_each([&](std::span<const std::uintptr_t> stack, const AllocationTotals& totals) {
    const auto [allocated, in_use] = totals.read();
    if (allocated.objects == 0) return;
    visit(context, {stack.data(), stack.size(), objects_of(allocated), static_cast<double>(allocated.bytes),
                    objects_of(in_use), static_cast<double>(in_use.bytes)});
  });
}

void for_each_block(std::size_t least_bytes, void (*visit)(void*, const SampledBlock&), void* context) {
  recorder.blocks().for_each([&](const void* block, const RecordedBlock& record) {
    if (record.weight.objects == 0 || record.stack == of_ignored_threads) return;
    const auto stands_for = static_cast<double>(record.weight.bytes);
    const double bytes = stands_for * Weight::object_scale / static_cast<double>(record.weight.objects);
    if (bytes < static_cast<double>(least_bytes)) return;
    const auto frames = recorder.stacks().stack(record.stack);
    visit(context, {block, bytes, stands_for, frames.data(), frames.size(), objects_of(record.weight), record.born_ns});
  });
}

void for_each_life(void (*visit)(void*, const SampledLife&), void* context) {
  recorder.stacks().for_each([&](std::span<const std::uintptr_t> stack, const AllocationTotals& totals) {
    for (std::size_t i = 0; i < lifetime_classes; ++i) {
      const LifeTotals& life = totals.freed[i];
      const Weight freed = life.freed.read();
      if (freed.objects == 0) continue;
      visit(context, {stack.data(), stack.size(), i, objects_of(freed), static_cast<double>(freed.bytes),
                      1000 * static_cast<double>(life.object_us.load(std::memory_order_relaxed))});
    }
  });
}

void for_each_crossing(void (*visit)(void*, const SampledCrossing&), void* context) {
  recorder.crossings().for_each([&](std::int64_t stack, std::uint32_t from, std::uint32_t to, const Weight& freed) {
    if (freed.objects == 0) return;
    const auto frames = frames_of(stack);
    visit(context, {frames.data(), frames.size(), from, to, objects_of(freed), static_cast<double>(freed.bytes)});
  });
}

void for_each_temporary(void (*visit)(void*, const SampledTemporary&), void* context) {
  recorder.stacks().for_each([&](std::span<const std::uintptr_t> stack, const AllocationTotals& totals) {
    for (std::size_t i = 0; i < temporary_classes; ++i) {
      const Weight freed = totals.temporaries[i].read();
      if (freed.objects == 0) continue;
      visit(context, {stack.data(), stack.size(), i, objects_of(freed), static_cast<double>(freed.bytes)});
    }
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
    .for_each_life = for_each_life,
    .for_each_crossing = for_each_crossing,
    .for_each_temporary = for_each_temporary,
};

}  // namespace
}  // namespace plateau::sampler

extern "C" {
#pragma GCC visibility push(default)

const plateau::sampler::SamplerInterface* plateau_sampler_3() {
  return &plateau::sampler::sampler_interface;
}

// Whom this malloc forwards to: for those who want to know which allocator the process runs on.
void* plateau_next_malloc() {
  plateau::sampler::next.free(nullptr);  // the first call of any looks them up
  return reinterpret_cast<void*>(plateau::sampler::next.malloc);
}

#pragma GCC visibility pop
}
