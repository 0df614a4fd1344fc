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
  // RetentionPolicy does.
  void follow(const std::optional<RetentionOptions>& options) {
    const bool same = policy_ && options && options->retain_percent == percent_ && options->soft_limit == limit_;
    if (same) return;
    shedding_ = {};
    policy_.reset();  // there can be one at a time
    if (!options) return;
    percent_ = options->retain_percent;
    limit_ = options->soft_limit;
    policy_.emplace(*options);
    shedding_ = policy_->on_shed(0, promise_, shed_);
  }

  RetentionPolicy* policy() { return policy_ ? &*policy_ : nullptr; }

 private:
  ShedPromise promise_;
  Shed shed_;
  std::optional<std::uint32_t> percent_;
  std::optional<std::uint64_t> limit_;
  std::optional<RetentionPolicy> policy_;
  ShedOrder::Registration shedding_;
};

}  // namespace plateau::harness
