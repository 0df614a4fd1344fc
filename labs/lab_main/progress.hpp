// What a person sees while an arm runs: one line redrawn on a terminal, one plain line a simulated hour in a pipe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "labs/harness/arm/arm.hpp"

namespace plateau::harness {

class Progress {
 public:
  // Looks at standard output, TERM and NO_COLOR.
  Progress();
  // Called often; draws at most ten times a second.
  void show(const ArmResult& arm, const Sample& now, std::optional<double> operations_per_wall_second,
            std::string_view operation);
  // Ends the line of the arm that was shown.
  void end();
  bool colour() const { return colour_; }

 private:
  bool terminal_;
  bool colour_;
  double last_drawn_ = -1;
  int last_step_ = -1;
  std::string arm_;
};

}  // namespace plateau::harness
