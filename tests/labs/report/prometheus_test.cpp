// Protects the ready configuration of Prometheus and the dashboard of Grafana: every panel asks for what a lab that
// serves really has.
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <regex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <boost/json.hpp>

#include "tests/labs/served_lab.hpp"
#include "tests/profiling/http_client.hpp"
#include "tests/support/child_program.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::testing {
namespace {

namespace json = boost::json;
using std::chrono::steady_clock;

constexpr std::string_view served_by_default = "127.0.0.1:6060";

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(c);
    result += {'%', digits[byte >> 4], digits[byte & 15]};
  }
  return result;
}

// The expressions of all panels, as Grafana would send them.
std::vector<std::string> dashboard_expressions() {
  std::vector<std::string> expressions;
  const json::value dashboard = json::parse(read_text(REPORT_FOLDER "/grafana.json"));
  for (const json::value& panel : dashboard.at("panels").as_array()) {
    for (const json::value& target : panel.at("targets").as_array()) {
      std::string expression(target.at("expr").as_string());
      expression = std::regex_replace(expression, std::regex(R"(\$instance)"), ".*");
      expressions.push_back(std::regex_replace(expression, std::regex(R"(\$__rate_interval)"), "1m"));
    }
  }
  return expressions;
}

class Prometheus {
 public:
  explicit Prometheus(std::uint16_t lab)
      : port_(static_cast<std::uint16_t>(20000 + ::getpid() % 10000)), server_(started(lab)) {}

  // Asks until there is an answer that is not empty, or it has been too long.
  json::array wait_for(const std::string& expression) const {
    json::array found;
    for (const auto until = steady_clock::now() + std::chrono::seconds(60);
         found.empty() && steady_clock::now() < until; std::this_thread::sleep_for(std::chrono::milliseconds(50))) {
      try {
        const HttpReply reply = get(port_, "/api/v1/query?query=" + escaped(expression));
        found = json::parse(reply.body()).at("data").at("result").as_array();
      } catch (const std::exception&) {  // it does not listen yet
      }
    }
    return found;
  }

 private:
  std::vector<std::string> started(std::uint16_t lab) const {
    const std::string config = folder_ / "prometheus.yml";
    std::string text = read_text(REPORT_FOLDER "/prometheus.yml");
    text.replace(text.find(served_by_default), served_by_default.size(), "127.0.0.1:" + std::to_string(lab));
    std::ofstream(config) << text;
    return {"prometheus", "--config.file=" + config, "--storage.tsdb.path=" + (folder_ / "data"),
            "--web.listen-address=127.0.0.1:" + std::to_string(port_), "--log.level=error"};
  }

  ScratchFolder folder_;
  std::uint16_t port_;
  ChildProgram server_;
};

// The lab that has all figures: it measures pauses, and traces purges.
TEST(PrometheusOfALab, HasWhatEveryPanelAsksFor) {
  const ServedLab lab(GC_PAUSE, {"--heap", "256MiB"});
  const Prometheus prometheus(lab.port());
  const std::vector<std::string> expressions = dashboard_expressions();
  EXPECT_GT(expressions.size(), 10U);
  for (const std::string& expression : expressions) {
    EXPECT_FALSE(prometheus.wait_for(expression).empty()) << expression;
  }
}

}  // namespace
}  // namespace plateau::testing
