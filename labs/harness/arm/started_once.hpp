// The controls of a service whose fixes are chosen at its start.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "labs/harness/arm/arm.hpp"
#include "labs/harness/arm/service_controls.hpp"

namespace plateau::harness {

// Refuses to switch. `spec` must outlive it.
class StartedOnce final : public ServiceControls {
 public:
  explicit StartedOnce(const ArmSpec& spec) : spec_(spec) {}
  void switch_fixes(const std::vector<std::string>& names) override {
    if (names != spec_.fixes) throw std::runtime_error("fixes of this lab are chosen when it is started");
  }
  std::optional<bool> works_with(std::string_view fix) const override { return spec_.has(fix); }

 private:
  const ArmSpec& spec_;
};

}  // namespace plateau::harness
