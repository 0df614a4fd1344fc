// plateau run: a program as it is, profiled from its start to its end.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "profiling/plateau/subcommand.hpp"

namespace plateau {

class RunCommand final : public Subcommand {
 public:
  CLI::App* add_to(CLI::App& app) override;
  // Does not return once the program has started: this process then ends as the program did.
  int run() override;

 private:
  CLI::App* command_ = nullptr;
  std::string folder_;
  std::string address_ = "127.0.0.1:6060+";
  std::uint64_t period_bytes_ = 0;
  bool shells_ = false;
};

}  // namespace plateau
