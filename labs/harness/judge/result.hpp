// The result of an experiment as JSON: what `--json` writes, and all that reports, tests and checks read. Its contract,
// field by field, is labs/report/result.schema.json, which also has the version.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include <boost/json.hpp>

#include "labs/harness/arm/arm.hpp"
#include "labs/harness/judge/ablation.hpp"
#include "labs/harness/judge/verdict.hpp"
#include "labs/harness/lab.hpp"

namespace plateau::harness {

struct ExperimentResult {
  std::string lab;
  std::vector<std::string> command;  // the arguments, the program first
  boost::json::object description;   // of the lab
  LabOptions options;
  std::deque<ArmResult> arms;  // references into it stay valid
  std::vector<Prediction> predictions;
  std::optional<Verdict> verdict;
  std::optional<Ablation> ablation;
};

// The lab in words, for who reads the result without its program.
boost::json::object to_json(const LabDescription& lab);
boost::json::object to_json(const ExperimentResult& result);

// Throws UsageError when nothing can be written there; leaves an existing file alone. Called before hours are spent.
void check_writable(const std::string& path);
// Whole or not at all: a full disk leaves the old file. Throws UsageError.
void write_json(const ExperimentResult& result, const std::string& path);

}  // namespace plateau::harness
