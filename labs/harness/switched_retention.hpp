// A retention policy that comes and goes with the fixes of a service.
#pragma once

#include <optional>
#include <utility>

#include "allocators/retention.hpp"

namespace plateau::harness {

// Not thread-safe.
class SwitchedRetention {
 public:
  // What the policy is promised by a cache, and asks it for.
  SwitchedRetention(ShedPromise promise, Shed shed) : promise_(std::move(promise)), shed_(std::move(shed)) {}

  // A policy with these options from now on; empty: none. The one that there is goes on if they are its own. Throws as
  // RetentionPolicy does; then there is again one as before.
  void follow(const std::optional<RetentionOptions>& options) {
    const bool same = options && options_ && options->retain_percent == options_->retain_percent &&
                      options->soft_limit == options_->soft_limit;
    if (same) return;
    try {
      begin(options);
    } catch (...) {
      begin(options_);
      throw;
    }
    options_ = options;
  }

  RetentionPolicy* policy() { return policy_ ? &*policy_ : nullptr; }

 private:
  void begin(const std::optional<RetentionOptions>& options) {
    shedding_ = {};
    policy_.reset();  // there can be one at a time
    if (!options) return;
    policy_.emplace(*options);
    shedding_ = policy_->on_shed(0, promise_, shed_);
  }

  ShedPromise promise_;
  Shed shed_;
  std::optional<RetentionOptions> options_;  // of the policy, as it began
  std::optional<RetentionPolicy> policy_;
  ShedOrder::Registration shedding_;
};

}  // namespace plateau::harness
