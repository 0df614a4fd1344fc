// plateau why: where a process's memory is, without anything in it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "profiling/plateau/outside_waterfall.hpp"
#include "profiling/plateau/subcommand.hpp"

namespace plateau {

// One paragraph, and the waterfall. `address` is where the process is served; empty: it is not.
std::string why_text(const OutsideFootprint& outside, pid_t process, const std::string& address);

// The paragraph's one sentence.
std::string verdict_of(const OutsideFootprint& outside, const std::string& address);
// Of a part of the waterfall, whose name may be another one where the process cannot be asked.
std::string shown_name(const WaterfallPart& part, const OutsideFootprint& outside);

class WhyCommand final : public Subcommand {
 public:
  CLI::App* add_to(CLI::App& app) override;
  int run() override;

 private:
  std::uint64_t process_ = 0;
  double seconds_ = 0;
};

}  // namespace plateau
