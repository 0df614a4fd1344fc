// plateau try: what a setting or another allocator is worth for a program, before anybody believes it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "profiling/plateau/subcommand.hpp"

namespace plateau {

class TryCommand final : public Subcommand {
 public:
  CLI::App* add_to(CLI::App& app) override;
  bool takes_program() const override { return true; }
  void take_program(std::vector<std::string> words) override { program_ = std::move(words); }
  int run() override;

 private:
  std::vector<std::string> settings_;
  std::vector<std::string> others_;
  std::vector<std::string> program_;
  std::uint64_t runs_ = 5;
  double seconds_ = 0;
};

}  // namespace plateau
