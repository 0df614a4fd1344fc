#include "labs/live/live_knobs.hpp"

#include <fmt/format.h>

#include <cmath>
#include <stdexcept>

namespace plateau::harness {
namespace json = boost::json;
namespace {

constexpr double longest_decay_ms = 3600e3;
constexpr double most_operations_per_second = 1e6;
constexpr double most_retain_percent = 10000;
constexpr double most_soft_limit = 1e12;

std::string_view kind_name(LiveKnob::Kind kind) {
  switch (kind) {
    case LiveKnob::Kind::toggle:
      return "switch";
    case LiveKnob::Kind::action:
      return "action";
    case LiveKnob::Kind::number:
      break;
  }
  return "number";
}

std::string meaning_of(const Fix& fix) {
  return fix.when_switched.empty() ? std::string(fix.sentence)
                                   : fmt::format("{} ({})", fix.sentence, fix.when_switched);
}

const SharedKnob& shared(const LiveKnob& knob, const ArmBlock& block) {
  return block.knobs[static_cast<std::size_t>(knob.shared)];
}

}  // namespace

std::vector<LiveKnob> live_knobs(const LabDescription& lab) {
  using Kind = LiveKnob::Kind;
  std::vector<LiveKnob> knobs{
      {.id = "load",
       .name = "Load",
       .meaning = fmt::format("{}s a second", lab.operation),
       .shared = KnobId::load,
       .unit = "1/s",
       .max = most_operations_per_second,
       .whole = false,
       .presets = {0, 100, 500, 2000}},
      {.id = "dirty_decay",
       .name = "Dirty decay",
       .meaning = "how long unused pages are kept (0: not at all, -1: for ever)",
       .shared = KnobId::dirty_decay,
       .unit = "ms",
       .min = -1,
       .max = longest_decay_ms,
       .presets = {0, 1000, 10000, -1}},
      {.id = "muzzy_decay",
       .name = "Muzzy decay",
       .meaning = "how long pages that were given back lazily are kept",
       .shared = KnobId::muzzy_decay,
       .unit = "ms",
       .min = -1,
       .max = longest_decay_ms,
       .presets = {0, 1000, -1}},
      {.id = "background_thread",
       .name = "Purging by the allocator's background threads",
       .meaning = "",
       .kind = Kind::toggle,
       .shared = KnobId::background_thread},
      {.id = "retain_percent",
       .name = "Retention policy: unused pages kept",
       .meaning = "in percent of live data (as GOGC; -1: left to decay)",
       .shared = KnobId::retain_percent,
       .unit = "%",
       .min = -1,
       .max = most_retain_percent,
       .presets = {-1, 10, 50, 100}},
      {.id = "soft_limit",
       .name = "Retention policy: soft limit of RSS",
       .meaning = "as GOMEMLIMIT; 0: none",
       .shared = KnobId::soft_limit,
       .unit = "B",
       .max = most_soft_limit},
      {.id = "purge",
       .name = "Purge now",
       .meaning = "every unused page goes back",
       .kind = Kind::action,
       .shared = KnobId::purge},
      {.id = "profiling",
       .name = "Heap profiling",
       .meaning = "allocations are sampled",
       .kind = Kind::toggle,
       .shared = KnobId::profiling},
  };
  for (std::size_t fix = 0; fix < lab.fixes.size(); ++fix) {
    knobs.push_back({.id = fmt::format("fix-{}", lab.fixes[fix].name),
                     .name = fmt::format("Fix {}", lab.fixes[fix].name),
                     .meaning = meaning_of(lab.fixes[fix]),
                     .kind = Kind::toggle,
                     .group = LiveKnob::Group::fixes,
                     .shared = static_cast<KnobId>(static_cast<std::size_t>(KnobId::first_fix) + fix)});
  }
  return knobs;
}

json::value as_json(const LiveKnob& knob, double value) {
  if (knob.kind == LiveKnob::Kind::action || std::isnan(value)) return nullptr;
  if (knob.kind == LiveKnob::Kind::toggle) return value != 0;
  if (value == std::floor(value)) return static_cast<std::int64_t>(value);
  return value;
}

json::value read_back(const LiveKnob& knob, const ArmBlock& block) {
  return as_json(knob, shared(knob, block).in_force.load(std::memory_order_relaxed));
}

json::object to_json(const LiveKnob& knob, const ArmBlock* block) {
  const json::value value = block != nullptr ? read_back(knob, *block) : nullptr;
  const bool available = block != nullptr && (knob.kind == LiveKnob::Kind::action || !value.is_null());
  json::object result{{"id", knob.id},
                      {"name", knob.name},
                      {"meaning", knob.meaning},
                      {"group", knob.group == LiveKnob::Group::fixes ? "fixes" : "knobs"},
                      {"kind", kind_name(knob.kind)},
                      {"value", value},
                      {"available", available},
                      {"why_not", nullptr}};
  if (!available) {
    result["why_not"] = block != nullptr ? load_text(shared(knob, *block).why_not) : "the service does not run";
  }
  if (knob.kind == LiveKnob::Kind::number) {
    result["min"] = knob.min;
    result["max"] = knob.max;
    result["unit"] = knob.unit;
    result["presets"] = json::value_from(knob.presets);
  }
  return result;
}

double check_value(const LiveKnob& knob, const json::value& value) {
  switch (knob.kind) {
    case LiveKnob::Kind::action:
      return 0;
    case LiveKnob::Kind::toggle:
      if (!value.is_bool()) throw std::invalid_argument(fmt::format("{}: give true or false", knob.id));
      return value.get_bool() ? 1 : 0;
    case LiveKnob::Kind::number:
      break;
  }
  json::error_code error;
  const double number = value.is_number() ? value.to_number<double>(error) : 0;
  const bool fits = value.is_number() && !error && number >= knob.min && number <= knob.max;
  if (!fits || (knob.whole && number != std::floor(number))) {
    throw std::invalid_argument(
        fmt::format("{}: give a {}number from {} to {}", knob.id, knob.whole ? "whole " : "", knob.min, knob.max));
  }
  return number;
}

std::uint32_t ask(SharedKnob& knob, double value) {
  knob.wanted.store(value, std::memory_order_relaxed);
  return knob.asked.fetch_add(1, std::memory_order_release) + 1;
}

bool is_answered(const SharedKnob& knob, std::uint32_t request) {
  return static_cast<std::int32_t>(knob.answered.load(std::memory_order_acquire) - request) >= 0;
}

}  // namespace plateau::harness
