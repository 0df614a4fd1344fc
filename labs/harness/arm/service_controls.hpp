// The controls that a lab offers while it serves.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plateau::harness {

class SwitchedRetention;

// Called by one thread at a time, which allocates as little as these do when nothing has changed.
class ServiceControls {
 public:
  virtual ~ServiceControls() = default;
  // Serves with these fixes, wrong ones too, from now on, or as soon as it can. Throws std::runtime_error, in one line,
  // when it cannot.
  virtual void switch_fixes(const std::vector<std::string>& names) = 0;
  // Returns whether the service works with the fix; empty while only some of it does.
  virtual std::optional<bool> works_with(std::string_view fix) const = 0;
  // Null for a service that knows no retention policy.
  virtual SwitchedRetention* retention() { return nullptr; }

 protected:
  ServiceControls() = default;
  ServiceControls(const ServiceControls&) = delete;
  ServiceControls& operator=(const ServiceControls&) = delete;
};

}  // namespace plateau::harness
