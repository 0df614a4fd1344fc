// A retention policy that comes and goes with the fixes of a service, and with its knobs.
#pragma once

#include <optional>
#include <utility>

#include "allocators/retention.hpp"

namespace plateau::harness {

// Not thread-safe. What throws does as RetentionPolicy does; then there is again a policy as before.
class SwitchedRetention {
 public:
  // What the policy is promised by a cache, and asks it for.
  SwitchedRetention(ShedPromise promise, Shed shed) : promise_(std::move(promise)), shed_(std::move(shed)) {}

  // What the fixes ask for from now on; empty: no policy. What knobs have changed stays until that changes.
  void follow(const std::optional<RetentionOptions>& options) {
    if (same(options, of_fixes_)) return;
    change(options);
    of_fixes_ = options;
  }
  const std::optional<RetentionOptions>& of_fixes() const { return of_fixes_; }

  // By a knob. Empty: unused pages are left to the allocator's decay. Whether they are is settled when a policy begins,
  // so that there is another one when that changes.
  void set_percent(std::optional<std::uint32_t> percent) {
    const bool retains = now_ && now_->retain_percent;
    if (retains && percent) {
      policy_->set_retain_percent(*percent);
      now_->retain_percent = percent;
    } else if (retains || percent) {
      RetentionOptions next = now_.value_or(RetentionOptions{.soft_limit = no_soft_limit});
      next.retain_percent = percent;
      const bool has_task = percent || next.soft_limit != no_soft_limit || of_fixes_;
      change(has_task ? std::optional(next) : std::nullopt);
    }
  }
  // By a knob; no_soft_limit: none.
  void set_limit(std::uint64_t bytes) {
    if (policy_) {
      policy_->set_soft_limit(bytes);
      now_->soft_limit = bytes;
    } else if (bytes != no_soft_limit) {
      change(RetentionOptions{.retain_percent = std::nullopt, .soft_limit = bytes});
    }
  }

  RetentionPolicy* policy() { return policy_ ? &*policy_ : nullptr; }

 private:
  static bool same(const std::optional<RetentionOptions>& one, const std::optional<RetentionOptions>& other) {
    if (!one || !other) return one.has_value() == other.has_value();
    return one->retain_percent == other->retain_percent && one->soft_limit == other->soft_limit;
  }

  void change(const std::optional<RetentionOptions>& options) {
    const std::optional<RetentionOptions> before = std::exchange(now_, std::nullopt);
    try {
      begin(options);
    } catch (...) {
      begin(before);
      throw;
    }
  }

  void begin(const std::optional<RetentionOptions>& options) {
    shedding_ = {};
    policy_.reset();  // there can be one at a time
    if (!options) return;
    policy_.emplace(*options);
    shedding_ = policy_->on_shed(0, promise_, shed_);
    now_ = options;
  }

  ShedPromise promise_;
  Shed shed_;
  std::optional<RetentionOptions> of_fixes_;
  std::optional<RetentionOptions> now_;  // of the policy, as knobs have left it
  std::optional<RetentionPolicy> policy_;
  ShedOrder::Registration shedding_;
};

}  // namespace plateau::harness
