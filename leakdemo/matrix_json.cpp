#include <boost/json.hpp>

#include "leakdemo/matrix.hpp"

namespace plateau::leakdemo {
namespace json = boost::json;
namespace {

json::object to_object(const Judgement& judgement) {
  json::array functions;
  for (const std::string& function : judgement.functions) functions.emplace_back(function);
  return {{"finding", to_string(judgement.finding)},
          {judgement.finding == Finding::not_run ? "reason" : "kind", judgement.kind},
          {"reported_bytes", judgement.reported_bytes},
          {"named_bytes", judgement.named_bytes},
          {"fixed_bytes", judgement.fixed_bytes},
          {"row", judgement.row == 0 ? json::value(nullptr) : json::value(judgement.row)},
          {"error", judgement.error ? json::value(*judgement.error) : json::value(nullptr)},
          {"functions", functions}};
}

json::object to_object(const DetectorSummary& detector) {
  json::object object{
      {"name", detector.name}, {"title", detector.title}, {"use", detector.use}, {"runs", detector.runs}};
  object["unavailable"] = detector.unavailable.empty() ? json::value(nullptr) : json::value(detector.unavailable);
  if (detector.runs == 0) return object;
  object["slowdown"] = detector.slowdown;
  object["extra_bytes"] = detector.extra_bytes;
  object["cpu_seconds_per_run"] = detector.run_seconds;
  object["plain_cpu_seconds_per_run"] = detector.plain_run_seconds;
  return object;
}

}  // namespace

std::string to_json(const Matrix& matrix) {
  json::array detectors;
  for (const DetectorSummary& detector : matrix.detectors) detectors.push_back(to_object(detector));
  json::array leaks;
  for (const MatrixRow& row : matrix.rows) {
    json::object findings;
    for (std::size_t d = 0; d < matrix.detectors.size(); ++d)
      findings[matrix.detectors[d].name] = to_object(row.judgements[d]);
    leaks.push_back({{"name", row.leak->name},
                     {"kind", to_string(row.leak->kind)},
                     {"sentence", row.leak->sentence},
                     {"place", row.leak->place[0]},
                     {"operations", row.leak->operations},
                     {"left_behind_bytes", row.leak->operations * row.leak->bytes_per_operation},
                     {"findings", findings}});
  }
  return json::serialize(json::object{{"schema", 1},
                                      {"seconds", matrix.seconds},
                                      {"cpu_seconds", matrix.cpu_seconds},
                                      {"detectors", detectors},
                                      {"leaks", leaks}}) +
         "\n";
}

}  // namespace plateau::leakdemo
