// The batch that leaves its machine idle, and the fixes.
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/vfs.h>

#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

#include <CLI/CLI.hpp>

#include "labs/harness/usage_error.hpp"
#include "labs/lab_main/command_line.hpp"
#include "labs/order_batch/calibration.hpp"
#include "labs/order_batch/fixes.hpp"
#include "labs/order_batch/gauges.hpp"
#include "labs/order_batch/order_source.hpp"
#include "labs/order_batch/partner_process.hpp"
#include "labs/order_batch/service.hpp"
#include "labs/order_batch/targets.hpp"
#include "labs/order_batch/thread_matrix.hpp"
#include "profiling/number_option.hpp"

namespace plateau::order_batch {
namespace {

using harness::ArmResult;
using harness::ArmSpec;

constexpr double orders_per_second_before = 100;
constexpr long tmpfs_magic = 0x01021994;  // linux/magic.h

harness::LabDescription describe() {
  return {
      .name = "order_batch",
      .symptom = "a batch of ten thousand orders that takes 100 s on a machine which is idle",
      .operation = "order",
      .mechanisms =
          {
              {"waiting", "an order waits for the partner and the disk, and the next one waits for the order"},
              {"commit", "each order is a transaction with an fsync of its own"},
              {"overrun", "what is sent faster than the partner's contract allows is refused, and sent again"},
              {"queue", "orders that were read and are not done are memory: all of the batch, if nobody waits"},
              {"foreign frees", "blocks that one thread allocates and another frees strand in caches between them"},
          },
      .fixes = fix_table.fixes(),
      .wrong_fixes = fix_table.wrong_fixes(),
      .gauges = {batch_gauges.begin(), batch_gauges.end()},
      .lanes = 1,
      .operations_per_second = orders_per_second_before,
      .memory_limit = default_limit_bytes,
      .batch = default_orders,
      .service_rate = orders_per_second_before,
      .fix_of_crossfrees = "ownership",
  };
}

bool is_of_an_ablation(std::string_view arm) {
  return arm == "none" || arm == "all" || arm.starts_with("only-") || arm.starts_with("all-but-") ||
         arm.starts_with("wrong-");
}

// Where stores are while arms run; removed at the end.
class StoreFolder {
 public:
  // Once; throws UsageError where a commit would mean nothing.
  void make() {
    if (!path_.empty()) return;
    std::string name = std::filesystem::temp_directory_path() / "plateau-order-batch-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr)
      throw harness::UsageError(fmt::format("cannot make a folder for the stores in {}; set TMPDIR to where one can be",
                                            std::filesystem::temp_directory_path().string()));
    path_ = name;
    struct statfs system {};
    if (::statfs(path_.c_str(), &system) == 0 && system.f_type == tmpfs_magic)
      throw harness::UsageError(
          fmt::format("{} is in memory (tmpfs), where a commit costs nothing; set TMPDIR to a folder on a disk",
                      path_.parent_path().string()));
  }
  ~StoreFolder() {
    std::error_code error;
    if (!path_.empty()) std::filesystem::remove_all(path_, error);
  }
  StoreFolder() = default;
  StoreFolder(const StoreFolder&) = delete;
  StoreFolder& operator=(const StoreFolder&) = delete;
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

class OrderBatchLab final : public harness::Lab {
 public:
  const harness::LabDescription& description() const override { return description_; }

  void add_options(CLI::App& app) override {
    add_whole_number(app, "--orders-total", orders_, "orders in the batch", 1, 4'000'000)->capture_default_str();
    app.add_option("--orders", orders_file_,
                   "read the orders from this file, a JSON object a line, and not from the seed");
    add_real_number(app, "--partner-ms", partner_ms_, "mean time of the partner's answer (log-normal)", 0.01, 60'000)
        ->capture_default_str();
    add_real_number(app, "--partner-rate", partner_rate_, "orders a second that the partner's contract allows", 1, 1e9)
        ->capture_default_str();
    add_real_number(app, "--partner-faults", faults_percent_,
                    "percentage of the partner's answers that are refusals, doubled, late, cut, or never come", 0, 100)
        ->capture_default_str();
    add_whole_number(app, "--workers", workers_, "threads of the pool; 0: as many as the law says", 0, most_workers)
        ->capture_default_str();
    add_size(app, "--in-flight", in_flight_, "bytes of orders that backpressure allows in flight", 64 << 10,
             std::uint64_t{1} << 40)
        ->capture_default_str();
    app.add_option("--store", store_,
                   "of `run`: keep the orders in this file; those that are there already are passed over");
    app.add_option("--acknowledged", acknowledged_,
                   "of `run`: append the number of each acknowledged order to this file");
    app.add_option("--on-stop", on_stop_, "what becomes of orders that are read and not begun when SIGTERM comes")
        ->capture_default_str()
        ->check(CLI::IsMember({"drain", "drop"}));
    app.parse_complete_callback([this] { apply_options(); });
  }

  harness::LabOptions options() const override {
    folder_.make();
    return {
        {"orders_file", orders_file_},   {"partner_ms", partner_ms_},
        {"partner_rate", partner_rate_}, {"faults_percent", faults_percent_},
        {"in_flight", in_flight_},       {"store", store_},
        {"workers", workers_},           {"counts_frees", false},
        {"acknowledged", acknowledged_}, {"on_stop", on_stop_},
        {"folder", folder_.path()},      {"cores", std::uint64_t{std::max(std::thread::hardware_concurrency(), 1U)}}};
  }

  void prepare(ArmSpec& spec) const override {
    if (spec.name != "run" && !(store_.empty() && acknowledged_.empty()))
      throw harness::UsageError("--store and --acknowledged are of one arm; use them with run");
    if (is_of_an_ablation(spec.name)) spec.options.set("counts_frees", true);
    if (spec.has("unbounded-queue") && spec.memory_limit)
      spec.memory_limit = std::min(*spec.memory_limit, tight_limit_bytes);
  }

  harness::AllocatorSettings allocator_settings(const ArmSpec& spec) const override {
    harness::AllocatorSettings settings;
    settings.malloc_conf = "abort_conf:true";
    if (fix_table.chosen(spec.fixes).narenas_1) settings.malloc_conf += ",narenas:1";
    // Who frees whose memory is what this lab is about, and no allocator's own profiler knows it.
    const bool counts_frees = spec.options.flag("counts_frees");
    settings.watches_block_ends = spec.profiled() || counts_frees;
    if (settings.watches_block_ends) {
      settings.environment.push_back(fmt::format("PLATEAU_SAMPLE_PERIOD={}", sample_period));
    }
    if (!spec.pprof_address.empty()) settings.environment.emplace_back("TCMALLOC_SAMPLE_PARAMETER=524288");
    return settings;
  }

  void run_peer(const ArmSpec& spec, std::span<const int> sockets) const override {
    try {
      const PartnerProcess partner(partner_of(spec));
      const std::uint16_t port = partner.port();
      ::send(sockets[0], &port, sizeof port, MSG_NOSIGNAL);
      char byte;
      while (::recv(sockets[0], &byte, sizeof byte, 0) > 0) {
      }
    } catch (const std::exception& error) {  // the arm, which waits for a port, says that there is none
      fmt::print(stderr, "order_batch: {}\n", error.what());
      ::shutdown(sockets[0], SHUT_RDWR);
    }
  }

  void run_arm(harness::ArmContext& context) const override { run_batch_arm(context); }

  std::vector<harness::Prediction> predictions(const ArmResult& result) const override {
    const auto gauge = [&](GaugeIndex index) { return result.gauges.at(std::string(batch_gauges[index])); };
    if (std::isnan(gauge(gauge_predicted_rate))) return {};
    const bool ended = !std::isnan(gauge(gauge_seconds)) && gauge(gauge_seconds) > 0;
    harness::Prediction rate{result.spec.name, "orders a second", "", gauge(gauge_predicted_rate), {}};
    harness::Prediction peak{result.spec.name, "peak RSS", "MB", gauge(gauge_predicted_peak) / 1e6, {}};
    if (ended) {
      rate.measured = gauge(gauge_acknowledged) / gauge(gauge_seconds);
      peak.measured = static_cast<double>(result.peak_rss) / 1e6;
    } else {
      fmt::print(
          "{}: an order alone computes {:.3f} ms, waits {:.2f} ms for the partner and {:.2f} ms for its commit; "
          "{:.0f} worker(s)\n",
          result.spec.name, gauge(gauge_compute_ms), gauge(gauge_partner_ms), gauge(gauge_commit_ms),
          gauge(gauge_workers));
    }
    return {rate, peak};
  }

  harness::Verdict judge(const ArmResult& before, const ArmResult& after) const override {
    return judge_order_batch(before, after);
  }

  std::string what_came_of(const ArmResult& wrong, const ArmResult& all) const override {
    return figures_of_wrong_fix(wrong, all);
  }
  std::vector<ArmSpec> matrix_arms(const ArmSpec& base) const override { return thread_matrix_arms(base); }
  std::string format_matrix(const std::deque<ArmResult>& arms) const override { return format_thread_matrix(arms); }

 private:
  void apply_options() {
    if (!orders_file_.empty()) {
      try {
        orders_ = orders_of_file(orders_file_, orders_)->total();
      } catch (const std::runtime_error& error) {
        throw harness::UsageError(error.what());
      }
    }
    description_.batch = orders_;
    description_.hours = static_cast<double>(orders_) / orders_per_second_before / 3600;
    description_.ablation_hours = description_.hours;
    for (harness::WrongFix& wrong : description_.wrong_fixes) wrong.hours = description_.hours;
  }

  std::uint64_t orders_ = default_orders;
  std::string orders_file_;
  double partner_ms_ = default_partner_ms;
  double partner_rate_ = default_partner_rate;
  double faults_percent_ = 0;
  std::uint64_t workers_ = 0;
  std::uint64_t in_flight_ = default_in_flight_bytes;
  std::string store_;
  std::string acknowledged_;
  std::string on_stop_ = "drain";
  mutable StoreFolder folder_;
  harness::LabDescription description_ = describe();
};

}  // namespace
}  // namespace plateau::order_batch

int main(int argc, char** argv) {
  using namespace plateau;
  if (argc == 3 && std::string_view(argv[1]) == order_batch::partner_command)
    return order_batch::run_partner_process(argv[2]);
  order_batch::OrderBatchLab lab;
  return harness::lab_main(lab, argc, argv);
}
