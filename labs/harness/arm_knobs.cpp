#include "labs/harness/arm_knobs.hpp"

#include <fmt/format.h>

#include <cmath>
#include <exception>
#include <stdexcept>
#include <utility>

#include "allocators/heap.hpp"
#include "profiling/heap_profiler.hpp"

namespace plateau::harness {
namespace {

using std::chrono::milliseconds;

constexpr double unknown = SharedKnob::unknown;
constexpr double retains_nothing = -1;  // as a percentage: unused pages are left to the allocator's decay

double number(std::optional<milliseconds> value) {
  return value ? static_cast<double>(value->count()) : unknown;
}

std::string reason_of(const HeapReply& reply) {
  return reply.done ? std::string() : std::string(reply.reason);
}

std::string reason_of(const ProfileReply& reply) {
  return reply.done ? std::string() : reply.reason;
}

}  // namespace

void ArmKnobs::offer(ServiceControls controls) {
  controls_ = std::move(controls);
  chosen_.clear();
  for (const Fix& fix : lab_.fixes) chosen_.push_back(spec_.has(fix.name));
  const std::string allocator(to_string(Heap::process().kind()));
  for (const KnobId id : {KnobId::dirty_decay, KnobId::muzzy_decay, KnobId::background_thread}) {
    store_text(knob(id).why_not, allocator + " has no such setting");
  }
  for (const KnobId id : {KnobId::retain_percent, KnobId::soft_limit}) {
    store_text(knob(id).why_not, "this service has no retention policy");
  }
  const ProfileReply profiles = HeapProfiler::available();
  has_profiler_ = profiles.done;
  store_text(knob(KnobId::profiling).why_not, profiles.reason);
}

void ArmKnobs::turn() {
  for (std::size_t i = 0; i < knob_count; ++i) {
    SharedKnob& one = block_.knobs[i];
    const std::uint32_t asked = one.asked.load(std::memory_order_acquire);
    if (asked == one.answered.load(std::memory_order_relaxed)) continue;
    std::string reason;
    try {
      reason = set(static_cast<KnobId>(i), one.wanted.load(std::memory_order_relaxed));
    } catch (const std::exception& error) {
      reason = error.what();
    }
    store_text(one.reason, reason);
    publish();
    one.answered.store(asked, std::memory_order_release);
  }
}

void ArmKnobs::publish() {
  const auto show = [this](KnobId id, double value) { knob(id).in_force.store(value, std::memory_order_relaxed); };
  const Heap& heap = Heap::process();
  show(KnobId::load, schedule_.operations_per_second());
  show(KnobId::dirty_decay, number(heap.dirty_decay()));
  show(KnobId::muzzy_decay, number(heap.muzzy_decay()));
  const auto background = heap.background_thread();
  show(KnobId::background_thread, background ? static_cast<double>(*background) : unknown);
  show(KnobId::profiling, has_profiler_ ? static_cast<double>(HeapProfiler::active()) : unknown);
  if (controls_.retain) {
    const RetentionStatistics now = retention();
    show(KnobId::retain_percent, now.retain_percent ? *now.retain_percent : retains_nothing);
    show(KnobId::soft_limit, static_cast<double>(now.soft_limit.value_or(0)));
  }
  for (std::size_t fix = 0; controls_.works_with && fix < lab_.fixes.size(); ++fix) {
    // While it is being switched, what was in force is.
    if (const auto works = controls_.works_with(fix)) fix_knob(fix).in_force.store(*works, std::memory_order_relaxed);
  }
}

std::string ArmKnobs::set(KnobId id, double value) {
  Heap& heap = Heap::process();
  switch (id) {
    case KnobId::load:
      schedule_.change(value, LoadSchedule::Clock::now());
      return {};
    case KnobId::dirty_decay:
      if (retention().retain_percent) return "the retention policy has taken decay over: set what that retains";
      return reason_of(heap.set_dirty_decay(milliseconds(std::llround(value))));
    case KnobId::muzzy_decay:
      return reason_of(heap.set_muzzy_decay(milliseconds(std::llround(value))));
    case KnobId::background_thread:
      return reason_of(heap.set_background_thread(value != 0));
    case KnobId::retain_percent:
      set_percent(value);
      return {};
    case KnobId::soft_limit:
      set_limit(value);
      return {};
    case KnobId::profiling:
      return reason_of(value != 0 ? HeapProfiler::start("") : HeapProfiler::stop());
    case KnobId::purge:
      return reason_of(heap.purge());
    case KnobId::first_fix:
      break;
  }
  return switch_fix(static_cast<std::size_t>(id) - static_cast<std::size_t>(KnobId::first_fix), value != 0);
}

// Whether a policy leaves unused pages to the allocator is settled when it begins.
void ArmKnobs::set_percent(double value) {
  if (!controls_.retain) throw std::runtime_error(load_text(knob(KnobId::retain_percent).why_not));
  const RetentionStatistics now = retention();
  const bool retains = value != retains_nothing;
  if (retains && now.retain_percent) {
    policy()->set_retain_percent(static_cast<std::uint32_t>(value));
  } else if (retains || now.soft_limit) {
    controls_.retain(
        RetentionOptions{.retain_percent = retains ? std::optional(static_cast<std::uint32_t>(value)) : std::nullopt,
                         .soft_limit = now.soft_limit.value_or(no_soft_limit)});
  } else {
    controls_.retain(std::nullopt);
  }
}

void ArmKnobs::set_limit(double value) {
  if (!controls_.retain) throw std::runtime_error(load_text(knob(KnobId::soft_limit).why_not));
  const std::uint64_t limit = value > 0 ? static_cast<std::uint64_t>(value) : no_soft_limit;
  if (policy() != nullptr) {
    policy()->set_soft_limit(limit);
  } else if (limit != no_soft_limit) {
    controls_.retain(RetentionOptions{.retain_percent = std::nullopt, .soft_limit = limit});
  }
}

std::string ArmKnobs::switch_fix(std::size_t fix, bool on) {
  if (!controls_.switch_fixes) return "this service cannot switch its fixes while it runs";
  std::vector<bool> chosen = chosen_;
  chosen[fix] = on;
  std::vector<std::string> fixes;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    if (chosen[i]) fixes.emplace_back(lab_.fixes[i].name);
  }
  for (const WrongFix& wrong : lab_.wrong_fixes) {
    if (spec_.has(wrong.name)) fixes.emplace_back(wrong.name);
  }
  controls_.switch_fixes(fixes);
  chosen_ = std::move(chosen);
  return {};
}

}  // namespace plateau::harness
