#include "profiling/heap_sampler.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "allocators/heap.hpp"
#include "allocators/malloc_libraries.hpp"
#include "allocators/runtime_symbol.hpp"
#include "profiling/heap_profile.hpp"
#include "profiling/symbols/mapping_history.hpp"

namespace plateau {
namespace {

// Whether malloc goes through the object file that this address is of.
bool is_in_front(const void* address) {
  const std::vector<std::string> libraries = malloc_libraries();
  return std::find(libraries.begin(), libraries.end(), object_file_of(address)) != libraries.end();
}

// Null when the sampler is not loaded, or stands behind another malloc, which is then the one that programs call.
const sampler::SamplerInterface* preloaded_sampler() {
  using Get = const sampler::SamplerInterface*();
  auto* const get = runtime_symbol<Get>(sampler::SamplerInterface::symbol);
  return get != nullptr && is_in_front(reinterpret_cast<const void*>(get)) ? get() : nullptr;
}

constinit std::atomic<const sampler::SamplerInterface*> own_sampler{nullptr};

const sampler::SamplerInterface* loaded_sampler() {
  static const sampler::SamplerInterface* const preloaded = preloaded_sampler();
  return preloaded != nullptr ? preloaded : own_sampler.load(std::memory_order_acquire);
}

std::int64_t rounded(double value) {
  return std::llround(value);
}

// What is in use can only be less than the allocator says, but for chance.
void add_unseen_frees(Profile& profile, double in_use_bytes, double standard_error, Heap& heap) {
  constexpr double certain = 4;  // standard errors
  const auto allocated = heap.statistics().allocated;
  if (!allocated || in_use_bytes - certain * standard_error <= static_cast<double>(*allocated)) return;
  profile.comments.push_back(
      "not every free was seen: about " + std::to_string(rounded(in_use_bytes)) +
      " bytes are in use by the stacks, and the allocator has " + std::to_string(*allocated) +
      " in use. Something frees in another way than by the program's free(), as a library opened with RTLD_DEEPBIND "
      "does; what it freed is under the stacks that allocated it");
}

void add_comments(Profile& profile, const SamplerCounts& counts, double in_use_bytes) {
  Heap& heap = Heap::process();
  const double standard_error = sampler::standard_error_bytes(in_use_bytes, counts.period_bytes);
  profile.comments.push_back("allocator: " + std::string(to_string(heap.kind())) + " " + heap.version());
  profile.comments.push_back(std::string(counts_frees_comment) + ", once in " + std::to_string(counts.period_bytes) +
                             " bytes on average; standard error of the bytes in use: at most " +
                             std::to_string(rounded(standard_error)));
  add_unseen_frees(profile, in_use_bytes, standard_error, heap);
  if (counts.blocks_lost > 0) {
    profile.comments.push_back("the table of live blocks was full: " + std::to_string(counts.blocks_lost) +
                               " samples (about " + std::to_string(counts.bytes_lost) +
                               " bytes) are missing from the in-use figures; sample with a longer period");
  }
  if (counts.stacks_lost > 0) {
    profile.comments.push_back("the table of stacks was full: " + std::to_string(counts.stacks_lost) +
                               " samples are under \"stack not kept\"");
  }
  if (!counts.active) profile.comments.push_back("sampling is stopped: newer blocks are not in this profile");
}

}  // namespace

ProfileReply HeapSampler::available() {
  if (loaded_sampler() != nullptr) return {true, {}};
  return {false,
          "libplateau_sampler.so does not stand in front of malloc: start the program with it first in LD_PRELOAD"};
}

bool HeapSampler::use(const sampler::SamplerInterface& own) {
  if (available().done || !is_in_front(&own)) return false;
  own_sampler.store(&own, std::memory_order_release);
  return true;
}

ProfileReply HeapSampler::start(std::uint64_t period_bytes) {
  const ProfileReply reply = available();
  if (reply.done) loaded_sampler()->start(period_bytes);
  return reply;
}

ProfileReply HeapSampler::stop() {
  const ProfileReply reply = available();
  if (reply.done) loaded_sampler()->stop();
  return reply;
}

std::optional<Profile> HeapSampler::snapshot() {
  if (loaded_sampler() == nullptr) return std::nullopt;
  const UnsampledScope unsampled;

  Profile profile = heap_profile(static_cast<std::int64_t>(counts().period_bytes));
  const std::array<std::uint64_t, 1> not_kept{profile.named_frame("stack not kept")};
  struct Context {
    Profile& profile;
    std::span<const std::uint64_t> not_kept;
    double in_use_bytes = 0;
  } context{profile, not_kept};

  for_each_stack(
      [](void* argument, const SampledStack& sampled) {
        auto& to = *static_cast<Context*>(argument);
        const std::array<std::int64_t, 4> values{rounded(sampled.allocated_objects), rounded(sampled.allocated_bytes),
                                                 rounded(sampled.in_use_objects), rounded(sampled.in_use_bytes)};
        const std::array<ProfileLabel, 1> size{
            ProfileLabel{"bytes", {}, rounded(sampled.allocated_bytes / sampled.allocated_objects), "bytes"}};
        const std::span<const std::uint64_t> stack(sampled.frames, sampled.depth);
        to.profile.add(sampled.depth > 0 ? stack : to.not_kept, values, size);
        to.in_use_bytes += sampled.in_use_bytes;
      },
      &context);

  profile.time_nanos =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  set_process_mappings(profile);
  name_allocator_code(profile.mappings);
  add_comments(profile, counts(), context.in_use_bytes);
  return profile;
}

SamplerCounts HeapSampler::counts() {
  const auto* const loaded = loaded_sampler();
  return loaded != nullptr ? loaded->counts() : SamplerCounts{};
}

void HeapSampler::for_each_stack(void (*visit)(void*, const SampledStack&), void* context) {
  if (const auto* const loaded = loaded_sampler()) loaded->for_each_stack(visit, context);
}

void HeapSampler::for_each_block(std::size_t least_bytes, void (*visit)(void*, const SampledBlock&), void* context) {
  if (const auto* const loaded = loaded_sampler()) loaded->for_each_block(least_bytes, visit, context);
}

void HeapSampler::for_each_life(void (*visit)(void*, const SampledLife&), void* context) {
  if (const auto* const loaded = loaded_sampler()) loaded->for_each_life(visit, context);
}

void HeapSampler::for_each_crossing(void (*visit)(void*, const SampledCrossing&), void* context) {
  if (const auto* const loaded = loaded_sampler()) loaded->for_each_crossing(visit, context);
}

void HeapSampler::for_each_temporary(void (*visit)(void*, const SampledTemporary&), void* context) {
  if (const auto* const loaded = loaded_sampler()) loaded->for_each_temporary(visit, context);
}

bool HeapSampler::ignore_this_thread(bool ignored) {
  const auto* const loaded = loaded_sampler();
  return loaded != nullptr && loaded->ignore_thread(ignored);
}

}  // namespace plateau
