// The statistics that take seconds, and the fixes.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>

#include <CLI/CLI.hpp>

#include "labs/harness/arm/arm_parent.hpp"
#include "labs/harness/interrupt.hpp"
#include "labs/harness/usage_error.hpp"
#include "labs/lab_main/command_line.hpp"
#include "labs/order_statistics/calibration.hpp"
#include "labs/order_statistics/fixes.hpp"
#include "labs/order_statistics/gauges.hpp"
#include "labs/order_statistics/prediction.hpp"
#include "labs/order_statistics/service.hpp"
#include "labs/order_statistics/store_file.hpp"
#include "labs/order_statistics/targets.hpp"
#include "profiling/number_option.hpp"

namespace plateau::order_statistics {
namespace {

using harness::ArmResult;
using harness::ArmSpec;

constexpr double served_rate = 20;  // requests a second

harness::LabDescription describe() {
  return {
      .name = "order_statistics",
      .symptom = "statistics by day that take 3 to 5 s, on a database that is busy and whose writers wait",
      .operation = "request",
      .mechanisms =
          {
              {"scan", "every query reads every order, and sorts them by day"},
              {"look-ups", "an index without the columns that are asked for is a look-up in the table for each hit"},
              {"locks", "with a rollback journal a commit waits for readers, and readers for the commit"},
              {"repetition", "the same answer is computed again for each client"},
              {"stampede", "clients that ask for the same at the same moment each have it computed"},
              {"result sets", "rows are texts in memory before the first one is looked at"},
          },
      .fixes = fix_table.fixes(),
      .wrong_fixes = fix_table.wrong_fixes(),
      .gauges = {statistics_gauges.begin(), statistics_gauges.end()},
      .lanes = 1,
      .memory_limit = default_limit_bytes,
      .service_rate = served_rate,
  };
}

// A line that is written over on a terminal; else a line at the end of every quarter.
void show_progress(double share) {
  if (harness::interrupted()) throw harness::Interrupted();
  static int shown = -1;
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  const int percent = static_cast<int>(share * 100);
  if (const int step = terminal ? percent : percent / 25; step != shown) {
    shown = step;
    fmt::print("{}order_statistics: the store is built: {} %{}", terminal ? "\r" : "", percent,
               terminal && percent < 100 ? "" : "\n");
    std::fflush(stdout);
  }
}

class OrderStatisticsLab final : public harness::Lab {
 public:
  const harness::LabDescription& description() const override { return description_; }

  void add_options(CLI::App& app) override {
    add_whole_number(app, "--rows", rows_, "orders of the two years", least_rows, 20'000'000)->capture_default_str();
    note_option_ = add_whole_number(app, "--note-bytes", note_bytes_,
                                    "width of the orders' notes (default: as wide as a scan of this machine needs to "
                                    "take 3 to 5 s)",
                                    least_note_bytes, most_note_bytes);
    app.add_option("--cache-folder", folder_,
                   "where the store is kept for the next run (default: $XDG_CACHE_HOME/plateau or ~/.cache/plateau)");
    add_real_number(app, "--steady", steady_s_, "seconds of the steady phase", 0.1, 3600)->capture_default_str();
    add_real_number(app, "--think", think_s_, "mean seconds between a client's answer and its next request", 0, 3600)
        ->capture_default_str();
    add_real_number(app, "--rush", rush_s_, "seconds of the rush", 0, 600)->capture_default_str();
    add_real_number(app, "--rush-rate", rush_rate_, "requests a second in the rush", 1, 100'000)->capture_default_str();
    add_real_number(app, "--order-rate", order_rate_, "orders a second that come in", 0.01, 1000)
        ->capture_default_str();
    add_real_number(app, "--order-group", order_group_s_,
                    "seconds after which the orders that have come are taken, in one transaction", 0.001, 600)
        ->capture_default_str();
    add_real_number(app, "--max-age", max_age_s_, "seconds that an answer of the cache may be old", 0.001, 3600)
        ->capture_default_str();
    add_size(app, "--cache-bytes", cache_bytes_, "bytes that the cache may have", 1 << 10, std::uint64_t{1} << 30)
        ->capture_default_str();
    app.parse_complete_callback([this] { apply_options(); });
  }

  harness::LabOptions options() const override {
    return {{"rows", rows_},
            {"note_bytes", store_ ? store_->note_bytes() : note_bytes_},
            {"store", store_ ? store_->file() : ""},
            {"scan_seconds", store_ ? store_->scan_seconds() : 0.0},
            {"clients", clients()},
            {"cores", cores()},
            {"steady_s", steady_s_},
            {"think_s", think_s_},
            {"rush_s", rush_s_},
            {"rush_rate", rush_rate_},
            {"order_rate", order_rate_},
            {"order_group_s", order_group_s_},
            {"max_age_s", max_age_s_},
            {"cache_bytes", cache_bytes_}};
  }

  std::optional<std::string> fit_to_machine(const ArmSpec& base) override {
    open_store(base.seed);
    return fmt::format(
        "{} orders with notes of {} bytes in {}{}; the query of before takes {:.2f} s of CPU here, alone", rows_,
        store_->note_bytes(), store_->file(), store_->why_built().empty() ? " (from an earlier run)" : "",
        store_->scan_seconds());
  }

  void prepare(ArmSpec& spec) const override {
    if (!store_) open_store(spec.seed);  // of a service
    spec.options = options();
  }

  harness::AllocatorSettings allocator_settings(const ArmSpec& spec) const override {
    harness::AllocatorSettings settings;
    settings.malloc_conf = "abort_conf:true";
    if (spec.profiled()) settings.malloc_conf += ",prof:true,prof_active:true,lg_prof_sample:16,prof_accum:true";
    if (!spec.pprof_address.empty()) settings.environment.emplace_back("TCMALLOC_SAMPLE_PARAMETER=524288");
    return settings;
  }

  void run_peer(const ArmSpec& /*spec*/, std::span<const int> /*sockets*/) const override {}

  void run_arm(harness::ArmContext& context) const override { run_statistics_arm(context); }

  std::vector<harness::Prediction> predictions(const ArmResult& result) const override { return predict(result); }

  harness::Verdict judge(const ArmResult& before, const ArmResult& after) const override {
    return judge_order_statistics(before, after);
  }

 private:
  static std::uint64_t cores() { return std::max(std::thread::hardware_concurrency(), 1U); }
  static std::uint64_t clients() { return std::max<std::uint64_t>(cores(), 2); }

  void open_store(std::uint64_t seed) const {
    const std::string folder = folder_.empty() ? default_cache_folder() : folder_;
    StoreShape shape{.seed = seed, .rows = rows_, .note_bytes = {}};
    if (note_option_->count() > 0) shape.note_bytes = note_bytes_;
    store_.emplace(folder, shape, show_progress);
    bring_into_page_cache(store_->file());
  }

  void apply_options() {
    const double new_orders = order_rate_ * (steady_s_ + rush_s_);
    constexpr double most = 100'000;
    if (new_orders > most)
      throw harness::UsageError(fmt::format("--order-rate {} for {} s are {:.0f} orders; there may be {:.0f} in a run",
                                            order_rate_, steady_s_ + rush_s_, new_orders, most));
    // As many requests as there can be.
    const double steady = think_s_ > 0 ? static_cast<double>(clients()) * steady_s_ / think_s_ : 0;
    description_.batch = std::max<std::uint64_t>(static_cast<std::uint64_t>(steady + rush_rate_ * rush_s_), 1);
    description_.hours = (steady_s_ + rush_s_) / 3600;
    description_.ablation_hours = description_.hours;
    for (harness::WrongFix& wrong : description_.wrong_fixes) wrong.hours = description_.hours;
  }

  std::uint64_t rows_ = default_rows;
  std::uint64_t note_bytes_ = 0;
  CLI::Option* note_option_ = nullptr;
  std::string folder_;
  double steady_s_ = default_steady_s;
  double think_s_ = default_think_s;
  double rush_s_ = default_rush_s;
  double rush_rate_ = default_rush_rate;
  double order_rate_ = default_order_rate;
  double order_group_s_ = default_order_group_s;
  double max_age_s_ = default_max_age_s;
  std::uint64_t cache_bytes_ = default_cache_bytes;
  mutable std::optional<CachedStore> store_;
  harness::LabDescription description_ = describe();
};

}  // namespace
}  // namespace plateau::order_statistics

int main(int argc, char** argv) {
  plateau::order_statistics::OrderStatisticsLab lab;
  return plateau::harness::lab_main(lab, argc, argv);
}
