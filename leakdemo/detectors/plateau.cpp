#include <fmt/format.h>

#include <map>
#include <regex>
#include <stdexcept>
#include <string>

#include <boost/asio/ip/tcp.hpp>

#include "leakdemo/detectors/all.hpp"
#include "leakdemo/detectors/report_text.hpp"
#include "leakdemo/leak_run.hpp"

namespace plateau::leakdemo {
namespace {

using Bytes = std::map<std::vector<std::string>, std::int64_t>;  // by stack

// What the agent says when it is asked to be verbose.
std::string port_of(const std::string& errors) {
  std::smatch match;
  if (!std::regex_search(errors, match, std::regex(R"(listening on port (\d+))")))
    throw std::runtime_error("the agent does not listen: " + errors);
  return match[1];
}

std::string get(const std::string& port, const std::string& target) {
  boost::asio::ip::tcp::iostream stream("127.0.0.1", port);
  stream << "GET " << target << " HTTP/1.0\r\nHost: localhost\r\n\r\n" << std::flush;
  std::string version;
  unsigned status = 0;
  stream >> version >> status;
  const std::string answer{std::istreambuf_iterator<char>(stream), {}};
  const auto body = answer.find("\r\n\r\n");
  if (body == std::string::npos) throw std::runtime_error("the agent gave no answer to " + target);
  if (status != 200) throw std::runtime_error(fmt::format("the agent: {}", answer.substr(body + 4)));
  return answer.substr(body + 4);
}

Bytes read(const std::string& text) {
  static const std::regex head(R"((-?\d+) @.*)");
  static const std::regex frame(R"(#\t(?:0x[0-9a-f]+\t)?([^\t]+).*)");
  const auto reports = read_reports(text, {.head = [](const std::string& line) -> std::optional<Report> {
                                             std::smatch match;
                                             if (!std::regex_match(line, match, head)) return std::nullopt;
                                             return Report{.kind = {}, .bytes = bytes_of(match[1]), .functions = {}};
                                           },
                                           .frame = [](const std::string& line) -> std::optional<std::string> {
                                             std::smatch match;
                                             if (!std::regex_match(line, match, frame)) return std::nullopt;
                                             return match[1];
                                           }});
  Bytes bytes;
  for (const Report& report : reports) bytes[report.functions] += report.bytes;
  return bytes;
}

// Parts of RSS that are no blocks have a name instead of a stack, under the name of a group.
std::string kind_of(const std::vector<std::string>& stack) {
  const bool is_stack = stack.empty() || !stack.back().starts_with('[');
  if (is_stack) return "growth";
  if (stack.front() == "slab slack") return "fragmentation";
  if (stack.front() == "dirty pages") return "idle pages";
  return stack.front();
}

std::vector<Report> growth(const Bytes& earlier, const Bytes& later) {
  Bytes change = later;
  for (const auto& [stack, bytes] : earlier) change[stack] -= bytes;
  std::vector<Report> reports;
  for (const auto& [stack, bytes] : change) {
    if (bytes != 0) reports.push_back({.kind = kind_of(stack), .bytes = bytes, .functions = stack});
  }
  return reports;
}

// All of RSS by stack and by name, of the program as it is and while it runs, twice; and the difference.
class Agent final : public Detector {
 public:
  explicit Agent(const Programs& programs) : programs_(programs) {}
  std::string_view name() const override { return "plateau"; }
  std::string_view title() const override { return "Plateau: agent and sampler, difference of all RSS"; }
  std::string_view use() const override {
    return "LD_PRELOAD=libplateau_agent.so:libplateau_sampler.so PLATEAU_PPROF=127.0.0.1:6060 "
           "PLATEAU_SAMPLE_PERIOD=262144; on jemalloc with MALLOC_CONF=prof:true,lg_prof_sample:16";
  }
  std::optional<std::string> unavailable() const override { return std::nullopt; }

  Observation observe(const Task& task) const override {
    Launch launch{.preload = {programs_.folder / "libplateau_agent.so", programs_.folder / "libplateau_sampler.so"},
                  .environment = {"PLATEAU_PPROF=127.0.0.1:0", "PLATEAU_PPROF_VERBOSE=1",
                                  "PLATEAU_SAMPLE_PERIOD=262144", "MALLOC_CONF=prof:true,lg_prof_sample:16"}};
    const auto answer = [&](const std::string& target) {
      return get(port_of(text_of(task.folder / "stderr.txt")), target);
    };
    const auto take = [&] { return read(answer("/debug/pprof/rss?debug=1")); };
    Bytes warm;
    Bytes done;
    // To say what a stack is called, the agent reads debug information, which is memory of its own: it does so for all
    // that the program has allocated by now, and not between the two profiles.
    launch.when_warm = [&](Process&) {
      answer("/debug/pprof/allocs?debug=1");
      take();
      warm = take();
    };
    launch.when_done = [&](Process&) { done = take(); };
    const LeakRun run = run_leak(programs_, task, launch);
    return {run.failure, growth(warm, done), run.cost};
  }

 private:
  const Programs programs_;
};

}  // namespace

std::unique_ptr<Detector> plateau_agent(const Programs& programs) {
  return std::make_unique<Agent>(programs);
}

}  // namespace plateau::leakdemo
