#include "leakdemo/detectors/all.hpp"

#include <array>

#include "leakdemo/leak_run.hpp"

namespace plateau::leakdemo {
namespace {

class PlainRun final : public Detector {
 public:
  explicit PlainRun(const Programs& programs) : programs_(programs) {}
  std::string_view name() const override { return "plain"; }
  std::string_view title() const override { return "nobody watching"; }
  std::string_view use() const override { return "leak NAME"; }
  std::optional<std::string> unavailable() const override { return std::nullopt; }
  Observation observe(const Task& task) const override {
    const LeakRun run = run_leak(programs_, task, {});
    return {run.failure, {}, run.cost};
  }

 private:
  const Programs programs_;
};

}  // namespace

std::unique_ptr<Detector> plain_run(const Programs& programs) {
  return std::make_unique<PlainRun>(programs);
}

std::vector<std::unique_ptr<Detector>> all_detectors(const Programs& programs) {
  std::vector<std::unique_ptr<Detector>> detectors;
  for (const auto make : {leak_sanitizer, memcheck, gperftools_heap_checker, gperftools_difference,
                          jemalloc_leak_report, jemalloc_difference, heaptrack, plateau_agent}) {
    detectors.push_back(make(programs));
  }
  return detectors;
}

}  // namespace plateau::leakdemo
