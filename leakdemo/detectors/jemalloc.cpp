#include <stdexcept>

#include "leakdemo/detectors/all.hpp"
#include "leakdemo/detectors/heap_dumps.hpp"
#include "leakdemo/leak_run.hpp"

namespace plateau::leakdemo {
namespace {

constexpr const char* library = "libjemalloc.so.2";

class JemallocProfiler : public Detector {
 public:
  explicit JemallocProfiler(const Programs& programs) : programs_(programs) {}
  std::optional<std::string> unavailable() const override {
    if (can_be_preloaded(library)) return std::nullopt;
    return "not installed: apt-get install libjemalloc2";
  }

 protected:
  LeakRun run(const Task& task, const std::string& settings, Launch launch) const {
    launch.preload = {library};
    launch.environment = {"MALLOC_CONF=" + settings + ",prof_prefix:" + (task.folder / "heap").string()};
    return run_leak(programs_, task, launch);
  }
  static std::filesystem::path final_profile(const Task& task) {
    const auto profiles = dumps_in(task.folder, ".f.heap");
    if (profiles.empty()) throw std::runtime_error("jemalloc wrote no profile at the end");
    return profiles.back();
  }

 private:
  const Programs programs_;
};

// To it, everything that is in use at the end is a leak.
class LeakReport final : public JemallocProfiler {
 public:
  using JemallocProfiler::JemallocProfiler;
  std::string_view name() const override { return "je-leak"; }
  std::string_view title() const override { return "jemalloc prof_leak, prof_final"; }
  std::string_view use() const override {
    return "LD_PRELOAD=libjemalloc.so.2 MALLOC_CONF=prof:true,prof_leak:true,prof_final:true,lg_prof_sample:0";
  }
  Observation observe(const Task& task) const override {
    const LeakRun done = run(task, "prof:true,prof_leak:true,prof_final:true,lg_prof_sample:0", {});
    if (!done.failure.empty()) return {done.failure, {}, {}};
    return {{}, dump_reports(final_profile(task), std::nullopt), done.cost};
  }
};

class Difference final : public JemallocProfiler {
 public:
  using JemallocProfiler::JemallocProfiler;
  std::string_view name() const override { return "je-diff"; }
  std::string_view title() const override { return "jemalloc heap profiles, difference"; }
  std::string_view use() const override {
    return "LD_PRELOAD=libjemalloc.so.2 MALLOC_CONF=prof:true,lg_prof_sample:16,lg_prof_interval:21,prof_final:true";
  }
  Observation observe(const Task& task) const override {
    // jemalloc dumps by itself after so many bytes. The last dump before the end of the warm-up is the base.
    std::optional<std::filesystem::path> base;
    const auto take_base = [&](Process&) {
      if (const auto dumps = dumps_in(task.folder, ".heap"); !dumps.empty()) base = dumps.back();
    };
    const LeakRun done = run(task, "prof:true,lg_prof_sample:16,lg_prof_interval:21,prof_final:true",
                             {.when_warm = take_base, .when_done = [](Process&) {}});
    if (!done.failure.empty()) return {done.failure, {}, {}};
    return {{}, dump_reports(final_profile(task), base), done.cost};
  }
};

}  // namespace

std::unique_ptr<Detector> jemalloc_leak_report(const Programs& programs) {
  return std::make_unique<LeakReport>(programs);
}

std::unique_ptr<Detector> jemalloc_difference(const Programs& programs) {
  return std::make_unique<Difference>(programs);
}

}  // namespace plateau::leakdemo
