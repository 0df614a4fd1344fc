#include "labs/harness/arm/arm_knobs.hpp"

#include <fmt/format.h>

#include <cmath>
#include <exception>
#include <string_view>
#include <utility>

#include "allocators/heap.hpp"
#include "profiling/heap_profiler.hpp"

namespace plateau::harness {
namespace {

using std::chrono::milliseconds;

constexpr double unknown = SharedKnob::unknown;
constexpr std::string_view no_policy = "this service has no retention policy";
constexpr double retains_nothing = -1;  // as a percentage: unused pages are left to the allocator's decay

double number(std::optional<milliseconds> value) {
  return value ? static_cast<double>(value->count()) : unknown;
}

template <class Text>
std::string reason_of(const Reply<Text>& reply) {
  return reply.done ? std::string() : std::string(reply.reason);
}

}  // namespace

void ArmKnobs::offer(ServiceControls& controls) {
  controls_ = &controls;
  chosen_.clear();
  for (const Fix& fix : lab_.fixes) chosen_.push_back(spec_.has(fix.name));
  const std::string allocator(to_string(Heap::process().kind()));
  for (const KnobId id : {KnobId::dirty_decay, KnobId::muzzy_decay, KnobId::background_thread}) {
    store_text(knob(id).why_not, allocator + " has no such setting");
  }
  can_retain_ = HeapReply{false, no_policy};
  if (switched_retention() != nullptr) can_retain_ = Heap::process().purge_support().unused;
  store_text(knob(KnobId::retain_percent).why_not, can_retain_.reason);
  store_text(knob(KnobId::soft_limit).why_not, no_policy);
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
  if (switched_retention() != nullptr) {
    const RetentionStatistics now = retention();
    const double percent = now.retain_percent ? *now.retain_percent : retains_nothing;
    show(KnobId::retain_percent, can_retain_.done ? percent : unknown);
    show(KnobId::soft_limit, static_cast<double>(now.soft_limit.value_or(0)));
  }
  for (std::size_t fix = 0; controls_ != nullptr && fix < lab_.fixes.size(); ++fix) {
    // While it is being switched, what was in force is.
    if (const auto works = controls_->works_with(lab_.fixes[fix].name))
      fix_knob(fix).in_force.store(*works, std::memory_order_relaxed);
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
      return set_percent(value);
    case KnobId::soft_limit:
      return set_limit(value);
    case KnobId::profiling:
      return reason_of(value != 0 ? HeapProfiler::start("") : HeapProfiler::stop());
    case KnobId::purge:
      return reason_of(heap.purge());
    case KnobId::first_fix:
      break;
  }
  return switch_fix(static_cast<std::size_t>(id) - static_cast<std::size_t>(KnobId::first_fix), value != 0);
}

SwitchedRetention* ArmKnobs::switched_retention() const {
  return controls_ != nullptr ? controls_->retention() : nullptr;
}

RetentionStatistics ArmKnobs::retention() const {
  SwitchedRetention* const switched = switched_retention();
  RetentionPolicy* const policy = switched != nullptr ? switched->policy() : nullptr;
  return policy != nullptr ? policy->statistics() : RetentionStatistics{};
}

std::string ArmKnobs::set_percent(double value) {
  if (!can_retain_.done) return std::string(can_retain_.reason);
  const bool retains = value != retains_nothing;
  switched_retention()->set_percent(retains ? std::optional(static_cast<std::uint32_t>(value)) : std::nullopt);
  return {};
}

std::string ArmKnobs::set_limit(double value) {
  if (switched_retention() == nullptr) return std::string(no_policy);
  switched_retention()->set_limit(value > 0 ? static_cast<std::uint64_t>(value) : no_soft_limit);
  return {};
}

std::string ArmKnobs::switch_fix(std::size_t fix, bool on) {
  if (controls_ == nullptr) return "this service cannot switch its fixes while it runs";
  std::vector<bool> chosen = chosen_;
  chosen[fix] = on;
  std::vector<std::string> fixes;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    if (chosen[i]) fixes.emplace_back(lab_.fixes[i].name);
  }
  for (const WrongFix& wrong : lab_.wrong_fixes) {
    if (spec_.has(wrong.name)) fixes.emplace_back(wrong.name);
  }
  controls_->switch_fixes(fixes);
  chosen_ = std::move(chosen);
  return {};
}

}  // namespace plateau::harness
