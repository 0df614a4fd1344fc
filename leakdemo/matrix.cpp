#include "leakdemo/matrix.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "leakdemo/process.hpp"

namespace plateau::leakdemo {
namespace {

using Observations = std::vector<Observation>;  // by detector, the plain run last

struct Tasks {
  Observations fault;
  Observations repair;
};

std::vector<std::unique_ptr<Detector>> chosen(const Programs& programs, const std::vector<std::string>& names) {
  std::vector<std::unique_ptr<Detector>> all = all_detectors(programs);
  if (names.empty()) return all;
  std::vector<std::unique_ptr<Detector>> result;
  for (const std::string& name : names) {
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const auto& one) { return one && one->name() == name; });
    if (found == all.end()) throw std::runtime_error("no detector is called " + name + "; leakdemo list names them");
    result.push_back(std::move(*found));
  }
  return result;
}

Observation observe(const Detector& detector, const Leak& leak, bool fixed) {
  try {
    const ScratchFolder folder;
    return detector.observe({leak, fixed, folder.path()});
  } catch (const std::exception& error) {
    return {.failure = error.what(), .reports = {}, .cost = {}};
  }
}

double sum(const std::vector<double>& values) {
  double total = 0;
  for (const double value : values) total += value;
  return total;
}

// Of the runs of one detector that have come to an end, beside the plain runs of the same programs.
void add_cost(DetectorSummary& summary, std::size_t detector, const std::vector<Tasks>& tasks) {
  std::vector<double> operations;
  std::vector<double> plain_operations;
  std::vector<double> all;
  std::vector<double> plain_all;
  std::vector<std::int64_t> extra;
  for (const Tasks& task : tasks) {
    for (const Observations* const observations : {&task.fault, &task.repair}) {
      const Observation& watched = (*observations)[detector];
      const Observation& plain = observations->back();
      if (!watched.failure.empty() || !plain.failure.empty()) continue;
      operations.push_back(watched.cost.operation_seconds);
      plain_operations.push_back(plain.cost.operation_seconds);
      all.push_back(watched.cost.run_seconds);
      plain_all.push_back(plain.cost.run_seconds);
      extra.push_back(watched.cost.peak_rss_bytes - plain.cost.peak_rss_bytes);
    }
  }
  summary.runs = operations.size();
  if (summary.runs == 0) return;
  const auto runs = static_cast<double>(summary.runs);
  summary.slowdown = sum(operations) / std::max(sum(plain_operations), 1e-9);
  summary.run_seconds = sum(all) / runs;
  summary.plain_run_seconds = sum(plain_all) / runs;
  const auto middle = extra.begin() + static_cast<std::ptrdiff_t>(extra.size() / 2);
  std::nth_element(extra.begin(), middle, extra.end());
  summary.extra_bytes = *middle;
}

}  // namespace

Matrix run_matrix(const Programs& programs, const MatrixOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  const double cpu_begin = cpu_seconds();
  std::vector<std::unique_ptr<Detector>> detectors = chosen(programs, options.detectors);
  Matrix matrix;
  for (const auto& detector : detectors) {
    matrix.detectors.push_back({.name = std::string(detector->name()),
                                .title = std::string(detector->title()),
                                .use = std::string(detector->use()),
                                .unavailable = detector->unavailable().value_or("")});
  }
  detectors.push_back(plain_run(programs));

  // One program under all detectors in turn, so that what they are compared with ran at about the same time.
  std::vector<Tasks> tasks(options.leaks.size());
  const std::size_t all = 2 * tasks.size();
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::size_t done = 0;
  const auto work = [&] {
    for (std::size_t i = 0; (i = next++) < all;) {
      const bool fixed = i % 2 == 1;
      Observations observations;
      for (std::size_t d = 0; d < detectors.size(); ++d) {
        const std::string why_not = d < matrix.detectors.size() ? matrix.detectors[d].unavailable : "";
        observations.push_back(why_not.empty() ? observe(*detectors[d], *options.leaks[i / 2], fixed)
                                               : Observation{.failure = why_not, .reports = {}, .cost = {}});
      }
      const std::scoped_lock lock(mutex);
      (fixed ? tasks[i / 2].repair : tasks[i / 2].fault) = std::move(observations);
      if (options.progress) options.progress(++done, all);
    }
  };
  {
    std::vector<std::jthread> workers;
    for (std::size_t n = 1; n < options.jobs; ++n) workers.emplace_back(work);
    work();
  }

  for (std::size_t i = 0; i < tasks.size(); ++i) {
    MatrixRow row{.leak = options.leaks[i], .judgements = {}};
    for (std::size_t d = 0; d < matrix.detectors.size(); ++d)
      row.judgements.push_back(judge(*row.leak, tasks[i].fault[d], tasks[i].repair[d]));
    matrix.rows.push_back(std::move(row));
  }
  for (std::size_t d = 0; d < matrix.detectors.size(); ++d) add_cost(matrix.detectors[d], d, tasks);
  matrix.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  matrix.cpu_seconds = cpu_seconds() - cpu_begin;
  return matrix;
}

}  // namespace plateau::leakdemo
