#include "labs/harness/judge/result.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <stdexcept>

#include "allocators/system/whole_file.hpp"
#include "labs/harness/arm/arm_json.hpp"
#include "labs/harness/judge/pauses_json.hpp"
#include "labs/harness/measure/pauses.hpp"
#include "labs/harness/usage_error.hpp"
#include "labs/report/result_version.hpp"
#include "profiling/waterfall/waterfall_json.hpp"

namespace plateau::harness {
namespace json = boost::json;
namespace {

template <class Value>
json::value or_null(const std::optional<Value>& value) {
  return value ? json::value(*value) : json::value(nullptr);
}

std::string first_line(const char* file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

json::object machine_json() {
  utsname name{};
  ::uname(&name);
  return {{"kernel", std::string(name.sysname) + " " + name.release},
          {"cpus", ::sysconf(_SC_NPROCESSORS_ONLN)},
          {"memory_bytes", ::sysconf(_SC_PHYS_PAGES) * ::sysconf(_SC_PAGESIZE)},
          {"transparent_huge_pages", first_line("/sys/kernel/mm/transparent_hugepage/enabled")}};
}

json::object latency_json(const LatencyHistogram& latency) {
  json::array histogram;
  for (const auto& [upper, count] : latency.buckets()) histogram.push_back(json::array{upper, count});
  const auto quantile = [&latency](double q) -> json::value {
    return latency.count() > 0 ? json::value(latency.quantile_us(q)) : json::value(nullptr);
  };
  return {{"p50", quantile(0.5)},  {"p90", quantile(0.9)},     {"p95", quantile(0.95)},
          {"p99", quantile(0.99)}, {"p999", quantile(0.999)},  {"p9999", quantile(0.9999)},
          {"max", quantile(1)},    {"count", latency.count()}, {"histogram", histogram}};
}

json::object sample_json(const Sample& s, const std::optional<std::uint64_t>& limit) {
  json::object result{{"t", s.t},
                      {"rss", s.rss},
                      {"anonymous", s.anonymous},
                      {"file", s.file},
                      {"shared", s.shared},
                      {"limit", or_null(limit)},
                      {"operations", s.operations},
                      {"allocation_calls", s.allocation_calls},
                      {"allocation_bytes", s.allocation_bytes},
                      {"parts", plateau::to_json(waterfall_of(s))}};
  const json::object heap = plateau::to_json(s.heap);
  result.insert(heap.begin(), heap.end());
  return result;
}

// Mean allocation rates between moments about a hundredth of the run apart.
json::array rate_series_json(const std::vector<Sample>& series) {
  json::array rates;
  if (series.empty()) return rates;
  const double window = series.back().t / 100;
  const Sample* from = &series.front();
  for (const Sample& to : series) {
    const double passed = to.t - from->t;
    if (passed <= 0 || passed < window) continue;
    const auto bytes = static_cast<double>(to.allocation_bytes - from->allocation_bytes);
    rates.push_back(json::array{(from->t + to.t) / 2, bytes / passed});
    from = &to;
  }
  return rates;
}

json::object arm_json(const ArmResult& arm, const std::deque<ArmResult>& all) {
  json::array series;
  for (const Sample& sample : arm.series) series.push_back(sample_json(sample, arm.spec.memory_limit));
  const double seconds = arm.simulated_seconds();
  const auto per = [](std::uint64_t amount, double count) {
    return count > 0 ? json::value(static_cast<double>(amount) / count) : json::value(nullptr);
  };
  const auto operations = static_cast<double>(arm.operations);
  json::object profiles;
  for (const auto& [moment, file] : arm.profiles) profiles[moment] = file;
  json::object gauges;
  for (const auto& [name, value] : arm.gauges)
    gauges[name] = std::isnan(value) ? json::value(nullptr) : json::value(value);
  return {
      {"name", arm.spec.name},
      {"fixes", json::value_from(arm.spec.fixes)},
      {"allocator",
       {{"name", arm.allocator_name},
        {"version", arm.allocator_version},
        {"library", arm.allocator_library},
        {"conf", arm.malloc_conf()},
        {"environment", json::value_from(arm.allocator_environment)},
        {"configuration", arm.allocator_configuration}}},
      {"outcome", to_string(arm.outcome)},
      {"evidence", arm.evidence},
      {"limit", {{"bytes", or_null(arm.spec.memory_limit)}, {"by", to_string(arm.limit_kind)}}},
      {"input", {{"operations", arm.operations}, {"seed", arm.spec.seed}}},
      {"checksum", or_null(common_checksum(arm, all))},
      {"simulated_seconds", seconds},
      {"speedup", arm.spec.time.speedup},
      {"capacity", arm.spec.capacity ? json::value{{"cpu_us_an_operation", arm.spec.capacity->cpu_us_an_operation},
                                                   {"cpus", arm.spec.capacity->cpus},
                                                   {"used", or_null(arm.cpu_share())}}
                                     : json::value(nullptr)},
      {"wall_seconds", arm.wall_seconds},
      {"cpu_seconds", arm.cpu_seconds},
      {"memory",
       {{"series", series},
        {"peak_rss", arm.peak_rss},
        {"minor_faults", arm.minor_faults},
        {"major_faults", arm.major_faults},
        {"purges", or_null(arm.purges)},
        {"madvise_calls", or_null(arm.madvise_calls)}}},
      {"allocation",
       {{"calls", arm.allocation_calls},
        {"bytes", arm.allocation_bytes},
        {"bytes_per_simulated_second", per(arm.allocation_bytes, seconds)},
        {"calls_per_operation", per(arm.allocation_calls, operations)},
        {"bytes_per_operation", per(arm.allocation_bytes, operations)},
        {"steady_calls_per_operation", or_null(arm.calls_per_operation(seconds / 2, seconds))},
        {"rate_series", rate_series_json(arm.series)}}},
      {"latency_us", latency_json(arm.latency)},
      {"hiccup_us", latency_json(arm.hiccups)},
      {"latency_series", latency_series_json(arm)},
      {"pauses", pauses_json(arm)},
      {"gauges", gauges},
      {"profiles", profiles},
  };
}

json::object verdict_json(const Verdict& verdict) {
  json::array rows;
  for (const VerdictRow& row : verdict.rows) {
    rows.push_back(json::object{{"metric", row.metric},
                                {"unit", row.unit},
                                {"before", or_null(row.before)},
                                {"after", or_null(row.after)},
                                {"improvement", or_null(row.improvement())},
                                {"target", or_null(row.target)},
                                {"relation", row.relation},
                                {"holds", or_null(row.holds)},
                                {"note", row.note}});
  }
  return {{"holds", verdict.holds()}, {"rows", rows}};
}

json::value closes_json(const std::optional<ClosedPart>& closes) {
  if (!closes) return nullptr;
  return {{"part", closes->part->id}, {"bytes", closes->bytes}};
}

json::value takes_from_json(const std::optional<ClosedCause>& takes) {
  if (!takes) return nullptr;
  return {{"cause", stall_causes[static_cast<std::size_t>(takes->cause)]}, {"ms_per_second", takes->ms_a_second}};
}

json::object ablation_json(const Ablation& ablation) {
  json::array rows;
  for (const AblationRow& row : ablation.rows) {
    rows.push_back(json::object{{"arm", row.arm},
                                {"outcome", to_string(row.outcome)},
                                {"died_at_hours", or_null(row.died_at_hours)},
                                {"rss", row.rss},
                                {"allocation_bytes_per_simulated_second", row.allocation_rate},
                                {"cpu_us_per_operation", row.cpu_us_per_operation},
                                {"parts", plateau::to_json(row.parts)},
                                {"closes", closes_json(row.closes)},
                                {"takes_from", takes_from_json(row.takes_from)},
                                {"pause_ms", or_null(row.pause_ms)},
                                {"p99_ms", or_null(row.p99_ms)},
                                {"operations_per_second", or_null(row.operations_per_second)},
                                {"calls_per_operation", row.calls_per_operation},
                                {"faults_per_second", row.faults_a_second},
                                {"reason", row.reason.empty() ? json::value(nullptr) : json::value(row.reason)}});
  }
  return {{"hours", ablation.hours}, {"rows", rows}};
}

}  // namespace

json::object to_json(const LabDescription& lab) {
  json::array mechanisms;
  for (const auto& [name, sentence] : lab.mechanisms) {
    mechanisms.push_back(json::object{{"name", name}, {"sentence", sentence}});
  }
  json::array fixes;
  for (const Fix& fix : lab.fixes) {
    fixes.push_back(json::object{{"name", fix.name}, {"sentence", fix.sentence}});
  }
  json::array wrong_fixes;
  for (const WrongFix& wrong : lab.wrong_fixes) {
    wrong_fixes.push_back(json::object{{"name", wrong.name}, {"sentence", wrong.sentence}, {"reason", wrong.reason}});
  }
  return {{"symptom", lab.symptom},
          {"operation", lab.operation},
          {"mechanisms", mechanisms},
          {"fixes", fixes},
          {"wrong_fixes", wrong_fixes}};
}

json::object to_json(const ExperimentResult& result) {
  json::array arms;
  for (const ArmResult& arm : result.arms) arms.push_back(arm_json(arm, result.arms));
  json::array predictions;
  for (const Prediction& p : result.predictions) {
    predictions.push_back(json::object{{"arm", p.arm},
                                       {"metric", p.metric},
                                       {"unit", p.unit},
                                       {"predicted", p.predicted},
                                       {"measured", or_null(p.measured)}});
  }
  json::array waterfall;
  for (const WaterfallPart& part : waterfall_parts()) waterfall.push_back(plateau::to_json(part));
  return {{"schema", report::result_schema_version},
          {"lab", result.lab},
          {"command", json::value_from(result.command)},
          {"description", result.description},
          {"machine", machine_json()},
          {"options", to_json(result.options)},
          {"waterfall", waterfall},
          {"arms", arms},
          {"predictions", predictions},
          {"ablation", result.ablation ? json::value(ablation_json(*result.ablation)) : json::value(nullptr)},
          {"verdict", result.verdict ? json::value(verdict_json(*result.verdict)) : json::value(nullptr)}};
}

void check_writable(const std::string& path) {
  try {
    WholeFile::check(path);
  } catch (const std::runtime_error& error) {
    throw UsageError(error.what());
  }
}

void write_json(const ExperimentResult& result, const std::string& path) {
  try {
    WholeFile file(path);
    file.stream() << to_json(result) << '\n';
    file.commit();
  } catch (const std::runtime_error& error) {
    throw UsageError(error.what());
  }
}

}  // namespace plateau::harness
