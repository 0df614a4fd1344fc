#include "allocators/retention_decision.hpp"

#include <algorithm>
#include <utility>

namespace plateau {
namespace {

using namespace std::chrono_literals;
using Seconds = std::chrono::duration<double>;

constexpr std::uint64_t least_effect = 64 * 1024;  // bytes; what is less is not worth a slice, and counts as none
constexpr std::uint64_t relief_divisor = 32;       // the limit is held again this part of it below
constexpr double near_limit = 0.8;                 // of the soft limit: from here on it is watched closely
constexpr auto longest_wait = std::chrono::nanoseconds(100ms);
constexpr auto shortest_wait = std::chrono::nanoseconds(1ms);
constexpr auto longest_debt_wait = std::chrono::nanoseconds(1s);
constexpr auto jump_allowance = std::chrono::nanoseconds(1s);
constexpr auto credit_window = std::chrono::nanoseconds(1s);
constexpr int longest_retry = 16;  // times give_up_after
constexpr int longest_pause = 64;  // times the shortest, which is retain_for
constexpr auto shortest_pause_ever = std::chrono::nanoseconds(10ms);

std::uint64_t less(std::uint64_t a, std::uint64_t b) {
  return a > b ? a - b : 0;
}

std::uint64_t part_of(std::uint64_t bytes, std::uint32_t percent) {
  return static_cast<std::uint64_t>(static_cast<double>(bytes) * percent / 100);
}

}  // namespace

std::string_view to_string(RetentionState state) {
  switch (state) {
    case RetentionState::steady:
      return "steady";
    case RetentionState::purging:
      return "purging";
    case RetentionState::shedding:
      return "shedding";
    case RetentionState::reclaiming:
      return "reclaiming";
    case RetentionState::backed_off:
      return "backed off";
    case RetentionState::off:
      break;
  }
  return "off";
}

RetentionState RetentionDecision::state() const {
  if (backed_off_) return RetentionState::backed_off;
  switch (phase_) {
    case Phase::shedding:
    case Phase::flushing:
      return RetentionState::shedding;
    case Phase::reclaiming:
    case Phase::between_rounds:
      return RetentionState::reclaiming;
    case Phase::idle:
      break;
  }
  return purging_ ? RetentionState::purging : RetentionState::steady;
}

std::uint64_t RetentionDecision::relief() const {
  return *knobs_.soft_limit - *knobs_.soft_limit / relief_divisor;
}

RetentionStep RetentionDecision::next(const RetentionObservation& seen) {
  account(seen);
  judge_last_purge(seen);
  if ((pressed() || backed_off_) && (!knobs_.soft_limit || seen.used <= relief())) {
    phase_ = Phase::idle;
    backed_off_ = false;
    ineffective_since_.reset();
  }
  const bool over = knobs_.soft_limit && seen.used > *knobs_.soft_limit;
  if (over && phase_ == Phase::idle && (!backed_off_ || clock_ >= retry_at_)) begin_round(seen);
  RetentionStep step = pressed() ? press(seen) : retain(seen);
  last_wait_ = step.wait;
  return step;
}

void RetentionDecision::account(const RetentionObservation& seen) {
  const double most = share() * Seconds(credit_window).count();
  if (!started_) {
    started_ = true;
    credit_ = most;
    window_end_ = clock_ + knobs_.retain_for;
  } else {
    const Nanoseconds elapsed = std::clamp(seen.now - last_now_, Nanoseconds(0), last_wait_ + jump_allowance);
    const Nanoseconds spent = std::max(seen.cpu - last_cpu_, Nanoseconds(0));
    clock_ += elapsed;
    credit_ = std::min(most, credit_ + share() * Seconds(elapsed).count()) - Seconds(spent).count();
  }
  last_now_ = seen.now;
  last_cpu_ = seen.cpu;
}

// Others allocate and free meanwhile, so one slice may look better or worse than it was; a round adds up many.
void RetentionDecision::judge_last_purge(const RetentionObservation& seen) {
  if (!purge_before_) return;
  const Before before = *purge_before_;
  purge_before_.reset();
  const std::uint64_t returned =
      before.unused && seen.unused ? less(*before.unused, *seen.unused) : less(before.used, seen.used);
  counts_.purged_bytes += returned;
  round_returned_ += returned;
  least_excess_ = less(least_excess_, returned);
  least_excess_before_ = less(least_excess_before_, returned);
  if (returned >= least_effect) {
    purge_pause_ = Nanoseconds(0);
    return;
  }
  const Nanoseconds shortest_pause = std::max(knobs_.retain_for, shortest_pause_ever);
  purge_pause_ = std::clamp(2 * purge_pause_, shortest_pause, longest_pause * shortest_pause);
  purge_not_before_ = clock_ + purge_pause_;
  if (phase_ == Phase::reclaiming) end_round(seen);
}

void RetentionDecision::begin_round(const RetentionObservation& seen) {
  if (!backed_off_ && !ineffective_since_) retry_interval_ = knobs_.give_up_after;
  ++counts_.rounds;
  phase_ = Phase::shedding;
  purging_ = false;
  asked_ = false;
  round_excess_ = less(seen.used, relief());
  round_returned_ = 0;
  round_delivered_ = seen.delivered;
}

void RetentionDecision::end_round(const RetentionObservation& seen) {
  const bool held = seen.used <= *knobs_.soft_limit;
  phase_ = held ? Phase::idle : Phase::between_rounds;
  rest_ = true;
  if (held || round_returned_ >= round_excess_ / 2) {
    ineffective_since_.reset();
    backed_off_ = false;
    return;
  }
  if (!ineffective_since_) ineffective_since_ = clock_;
  if (clock_ - *ineffective_since_ < knobs_.give_up_after) return;
  if (!backed_off_) ++counts_.backed_off;
  backed_off_ = true;
  phase_ = Phase::idle;
  retry_at_ = clock_ + retry_interval_;
  retry_interval_ = std::min(2 * retry_interval_, longest_retry * knobs_.give_up_after);
}

RetentionStep RetentionDecision::press(const RetentionObservation& seen) {
  using Action = RetentionStep::Action;
  if (credit_ <= 0) return wait(seen);
  if (phase_ == Phase::between_rounds) {
    if (std::exchange(rest_, false)) return wait(seen);
    if (seen.used <= *knobs_.soft_limit) {
      phase_ = Phase::idle;
      return wait(seen);
    }
    begin_round(seen);
  }
  const std::uint64_t excess = less(seen.used, relief());
  if (phase_ == Phase::shedding) {
    const std::uint64_t on_its_way = seen.unused.value_or(less(seen.delivered, round_delivered_));
    const bool begins = !asked_;
    if (excess > on_its_way && (begins || seen.caches_left > 0)) {
      asked_ = true;
      return {Action::shed, excess - on_its_way, begins, Nanoseconds(0)};
    }
    phase_ = Phase::flushing;
    return {Action::flush, 0, false, Nanoseconds(0)};
  }
  if (phase_ == Phase::flushing) phase_ = Phase::reclaiming;
  if (phase_ == Phase::reclaiming) {
    if (!seen.unused || *seen.unused >= least_effect) return purge(excess, seen);
    end_round(seen);
    rest_ = false;  // the wait that follows is the rest
  }
  return wait(seen);
}

std::optional<std::uint64_t> RetentionDecision::goal(const RetentionObservation& seen) const {
  if (!knobs_.retain_percent || !seen.live) return std::nullopt;
  if (pressed()) return 0;
  return part_of(*seen.live, *knobs_.retain_percent);
}

// What has been in excess without a break for retain_for at least, and twice that at most.
std::uint64_t RetentionDecision::overdue(const RetentionObservation& seen) {
  if (!knobs_.retain_percent || !seen.live || !seen.unused) return 0;
  const std::uint64_t excess = less(*seen.unused, part_of(*seen.live, *knobs_.retain_percent));
  if (clock_ >= window_end_) {
    least_excess_before_ = least_excess_;
    least_excess_ = excess;
    window_end_ = clock_ + knobs_.retain_for;
  }
  least_excess_ = std::min(least_excess_, excess);
  return knobs_.retain_for.count() == 0 ? excess : std::min(least_excess_, least_excess_before_);
}

RetentionStep RetentionDecision::retain(const RetentionObservation& seen) {
  const std::uint64_t bytes = overdue(seen);
  purging_ = bytes >= least_effect && clock_ >= purge_not_before_;
  if (purging_ && credit_ > 0) return purge(bytes, seen);
  return wait(seen);
}

RetentionStep RetentionDecision::purge(std::uint64_t bytes, const RetentionObservation& seen) {
  ++counts_.purges;
  purge_before_ = Before{seen.used, seen.unused};
  return {RetentionStep::Action::purge, bytes, false, Nanoseconds(0)};
}

RetentionStep RetentionDecision::wait(const RetentionObservation& seen) const {
  const bool close = knobs_.soft_limit && !backed_off_ &&
                     static_cast<double>(seen.used) >= near_limit * static_cast<double>(*knobs_.soft_limit);
  Nanoseconds time = std::clamp(knobs_.retain_for / (close ? 100 : 10), shortest_wait, longest_wait);
  // A debt is waited off, but close to the limit it must not make blind.
  if (credit_ <= 0 && !close) {
    const auto debt = std::chrono::duration_cast<Nanoseconds>(Seconds(-credit_ / share()));
    time = std::max(time, std::min(debt, longest_debt_wait));
  }
  return {RetentionStep::Action::wait, 0, false, time};
}

}  // namespace plateau
