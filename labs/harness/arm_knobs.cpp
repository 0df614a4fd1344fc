#include "labs/harness/arm_knobs.hpp"

#include <algorithm>

#include "allocators/heap.hpp"
#include "profiling/heap_profiler.hpp"

namespace plateau::harness {
namespace {

using std::chrono::milliseconds;

std::int64_t or_unknown(const std::optional<milliseconds>& value) {
  return value ? value->count() : Knob::unknown;
}

std::string reason_of(const HeapReply& reply) {
  return reply.done ? std::string() : std::string(reply.reason);
}

// What the allocator says is in force; for the rest, what was set.
std::int64_t read_back(KnobId id, std::int64_t set) {
  const Heap& heap = Heap::process();
  switch (id) {
    case KnobId::dirty_decay_ms:
      return or_unknown(heap.dirty_decay());
    case KnobId::muzzy_decay_ms:
      return or_unknown(heap.muzzy_decay());
    case KnobId::background_thread: {
      const auto on = heap.background_thread();
      return on ? static_cast<std::int64_t>(*on) : Knob::unknown;
    }
    default:
      return set;
  }
}

}  // namespace

void ArmKnobs::publish() {
  const auto show = [this](KnobId id, std::int64_t value) { control_[id].actual.store(read_back(id, value)); };
  show(KnobId::load_percent, 100);
  show(KnobId::dirty_decay_ms, 0);
  show(KnobId::muzzy_decay_ms, 0);
  show(KnobId::background_thread, 0);
  show(KnobId::profiling, spec_.profiled() ? 1 : 0);
  show(KnobId::fixes, control_[KnobId::fixes].wanted.load());
}

void ArmKnobs::apply() {
  for (std::size_t i = 0; i < knob_count; ++i) {
    Knob& knob = control_.knobs[i];
    const std::uint32_t asked = knob.asked.load(std::memory_order_acquire);
    if (asked == knob.answered.load(std::memory_order_relaxed)) continue;
    const auto id = static_cast<KnobId>(i);
    const std::int64_t value = knob.wanted.load(std::memory_order_relaxed);
    const std::string reason = set(id, value);
    if (reason.empty()) knob.actual.store(read_back(id, value), std::memory_order_relaxed);
    const std::size_t length = std::min(reason.size(), knob.reason.size() - 1);
    *std::copy_n(reason.begin(), length, knob.reason.begin()) = '\0';
    knob.answered.store(asked, std::memory_order_release);
  }
}

std::string ArmKnobs::set(KnobId id, std::int64_t value) {
  Heap& heap = Heap::process();
  switch (id) {
    case KnobId::load_percent: {
      const double rate = spec_.time.operations_per_second * spec_.time.speedup * static_cast<double>(value) / 100;
      if (value < 1 || value > 1000) return "give a load from 1 to 1000 percent";
      return schedule_.change(rate, LoadSchedule::Clock::now()) ? "" : "the load was changed too often";
    }
    case KnobId::dirty_decay_ms:
      return reason_of(heap.set_dirty_decay(milliseconds(value)));
    case KnobId::muzzy_decay_ms:
      return reason_of(heap.set_muzzy_decay(milliseconds(value)));
    case KnobId::background_thread:
      return reason_of(heap.set_background_thread(value != 0));
    case KnobId::purge:
      return reason_of(heap.purge());
    case KnobId::profiling: {
      const ProfileReply reply = value != 0 ? HeapProfiler::start("") : HeapProfiler::stop();
      return reply.done ? "" : reply.reason;
    }
    case KnobId::fixes:
      return "";  // the lanes take it at their next batch
  }
  return "no such knob";
}

}  // namespace plateau::harness
