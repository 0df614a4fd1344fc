// A lab owns one case: a symptom, the mechanisms that cause it, and a fix for each.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "labs/harness/arm/allocator_choice.hpp"
#include "labs/harness/arm/arm.hpp"
#include "labs/harness/fix.hpp"
#include "labs/harness/judge/verdict.hpp"
#include "labs/harness/lab_options.hpp"

namespace CLI {
class App;  // <CLI/CLI.hpp> takes seconds to compile
}

namespace plateau::harness {

class ArmContext;

struct Mechanism {
  std::string_view name;
  std::string_view sentence;
};

struct LabDescription {
  std::string_view name;
  std::string_view symptom;
  std::string_view operation;  // what is counted: "order"
  std::vector<Mechanism> mechanisms;
  std::vector<Fix> fixes;  // of the lab's FixTable, as are the wrong ones
  std::vector<WrongFix> wrong_fixes;
  std::vector<std::string_view> gauges;  // names of ArmBlock::gauges, in order
  std::size_t lanes = 1;                 // each with a socket to the peer; at most ArmBlock::max_lanes
  double operations_per_second = 1;      // of simulated time
  std::uint64_t memory_limit = 0;
  double hours = 24;
  double ablation_hours = 6;
  double before_speedup = 1;  // for arms without all fixes
  double after_speedup = 1;
  bool measures_pauses = false;  // its workers use ArmContext::stall_meter, as those of every lab do when it serves
  std::uint64_t batch = 0;       // operations of a lab whose arms do a batch (see ArmSpec); 0: of one in simulated time
  double service_rate = 0;       // operations a second at which `serve` begins
  double pause_period_s = 0;     // of those labs: how often what pauses it happens
  // Which fix is for blocks that another thread frees than allocated them, and for those that their own thread frees
  // soon; empty: none of this lab.
  std::string_view fix_of_crossfrees = {};
  std::string_view fix_of_temporaries = {};
};

class Lab {
 public:
  virtual ~Lab() = default;

  virtual const LabDescription& description() const = 0;

  // The lab's own options: added to the command line, then carried to the arms.
  virtual void add_options(CLI::App& app) = 0;
  // Throws UsageError for what cannot be had, before anything is run.
  virtual LabOptions options() const = 0;

  // In the parent, before the first arm: chooses by a trial of one what depends on the machine, so that description()
  // and options() are others from then on, and says in a line what it chose. Nothing by default. Throws as run_arm.
  virtual std::optional<std::string> fit_to_machine(const ArmSpec& /*base*/) { return std::nullopt; }
  // Changes of the arm itself that its fixes ask for, such as a larger limit.
  virtual void prepare(ArmSpec& /*spec*/) const {}
  // In the parent: allocator settings for an arm, times compressed.
  virtual AllocatorSettings allocator_settings(const ArmSpec& spec) const = 0;
  // In the parent, on a thread of its own: the other end of the arm's sockets, until they are closed.
  virtual void run_peer(const ArmSpec& spec, std::span<const int> sockets) const = 0;
  // In the arm's own process: everything that is measured. Ends by context.finish().
  virtual void run_arm(ArmContext& context) const = 0;

  // What was predicted for an arm when it was ready; with `measured` once it has ended.
  virtual std::vector<Prediction> predictions(const ArmResult& result) const = 0;
  virtual Verdict judge(const ArmResult& before, const ArmResult& after) const = 0;

  // Of a wrong fix, beside all the right ones: the figures by which it is seen to fail. Empty: its memory tells.
  virtual std::string what_came_of(const ArmResult& /*wrong*/, const ArmResult& /*all*/) const { return {}; }

  // Of `ablate --matrix`: the arms, and the table of what came of them. None where a lab has no such matrix.
  virtual std::vector<ArmSpec> matrix_arms(const ArmSpec& /*base*/) const { return {}; }
  virtual std::string format_matrix(const std::deque<ArmResult>& /*arms*/) const { return {}; }
};

}  // namespace plateau::harness
