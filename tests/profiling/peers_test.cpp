// Protects what real clients see: google/pprof, curl and Prometheus, against a program that uses the library as a
// consumer does, on every allocator that has heap profiles.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include <boost/json.hpp>

#include "profiling/formats/pprof_reader.hpp"
#include "tests/profiling/http_client.hpp"
#include "tests/support/child_program.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

struct Allocator {
  const char* name;
  std::vector<std::string> environment;
};

void PrintTo(const Allocator& allocator, std::ostream* out) {
  *out << allocator.name;
}

const std::vector<Allocator> profiled_allocators{
    {"jemalloc", {"LD_PRELOAD=libjemalloc.so.2", "MALLOC_CONF=prof:true,prof_accum:true"}},
    {"tcmalloc", {"LD_PRELOAD=libtcmalloc.so.4", "TCMALLOC_SAMPLE_PARAMETER=524288"}},
    {"glibc", {"LD_PRELOAD=" SAMPLER}},
};

// 2000 blocks of 56 KiB. At one sample in 512 KiB the standard error is 6.6 %: the tests allow 30 %.
constexpr double leaked_megabytes = 2000 * 57344 / 1024.0 / 1024.0;

// The program, with its leak made, and the port it serves.
class Leaking : public ChildProgram {
 public:
  explicit Leaking(std::vector<std::string> environment, const std::string& program = LEAKING_PROGRAM)
      : ChildProgram({program}, std::move(environment)), port_(static_cast<std::uint16_t>(std::stoi(read_line()))) {}
  std::uint16_t port() const { return port_; }
  std::string url(const std::string& path) const { return "http://localhost:" + std::to_string(port_) + path; }
  void command(const std::string& line) {
    write_line(line);
    read_line();
  }

 private:
  std::uint16_t port_;
};

// pprof's own cache of fetched profiles goes into the folder.
Finished pprof(const ScratchFolder& folder, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), PPROF);
  return run_to_end(arguments, {"PPROF_TMPDIR=" + folder.path().string()});
}

// The cumulative megabytes that `pprof -top -unit=MB` prints for a function.
double cumulative_megabytes(const std::string& top, const std::string& function) {
  std::smatch match;
  const std::regex row("([0-9.]+)(?:MB)? +[0-9.]+% +" + function);
  std::istringstream lines(top);
  for (std::string line; std::getline(lines, line);) {
    if (std::regex_search(line, match, row)) return std::stod(match[1]);
  }
  return -1;
}

class Peers : public ::testing::TestWithParam<Allocator> {};

TEST_P(Peers, PprofFetchesTheHeapAndNamesTheLeak) {
  const ScratchFolder folder;
  const Leaking program(GetParam().environment);
  const Finished top = pprof(folder, {"-top", "-unit=MB", "-lines", program.url("/debug/pprof/heap")});
  ASSERT_EQ(top.status, 0) << top.error;
  EXPECT_THAT(top.out, HasSubstr("Type: inuse_space"));
  EXPECT_THAT(top.out, HasSubstr("leak_one_block"));
  EXPECT_THAT(top.out, HasSubstr("leaking_program.cpp:"));
  EXPECT_THAT(top.out, HasSubstr("leak_through_inlined_function")) << "inlined frames";
  // In the file that pprof keeps of what it fetches.
  const fs::path kept = fs::directory_iterator(folder.path())->path();
  const Finished functions = pprof(folder, {"-top", "-unit=MB", kept});
  const double megabytes = cumulative_megabytes(functions.out, "(?:\\(anonymous namespace\\)::)?leak_blocks");
  EXPECT_NEAR(megabytes, leaked_megabytes, 0.3 * leaked_megabytes) << functions.out;
}

TEST_P(Peers, PprofNeedsNoBinary) {
  const ScratchFolder folder;
  const std::string copy = folder / "copy_of_the_program";
  fs::copy_file(LEAKING_PROGRAM, copy);
  const std::string profile = folder / "heap.prof";
  {
    const Leaking program(GetParam().environment, copy);
    const Finished curl = run_to_end({"curl", "-sS", "-o", profile, program.url("/debug/pprof/heap")});
    ASSERT_EQ(curl.status, 0) << curl.error;
  }
  fs::remove(copy);
  const Finished top = pprof(folder, {"-top", "-lines", profile});
  EXPECT_THAT(top.out, HasSubstr("leaking_program.cpp:")) << top.error;
}

TEST_P(Peers, PprofFetchesEveryUrl) {
  const ScratchFolder folder;
  Leaking program(GetParam().environment);
  program.command("burn");
  const auto fetch = [&](const char* path) {
    return std::make_unique<ChildProgram>(std::vector<std::string>{PPROF, "-top", program.url(path)},
                                          std::vector<std::string>{"PPROF_TMPDIR=" + folder.path().string()});
  };
  // Recordings at the same time as each other, and as what needs no time.
  const std::vector<const char*> recorded{"/debug/pprof/heap?seconds=1", "/debug/pprof/delta_heap?seconds=1",
                                          "/debug/pprof/profile?seconds=1"};
  std::vector<std::unique_ptr<ChildProgram>> recordings;
  for (const char* const path : recorded) recordings.push_back(fetch(path));
  for (const char* const path :
       {"/debug/pprof/allocs", "/debug/pprof/delta_heap", "/debug/pprof/pauses", "/pprof/heap"}) {
    const auto top = fetch(path);
    EXPECT_EQ(top->wait(), 0) << path << ": " << top->rest_of_error();
  }
  for (std::size_t i = 0; i < recorded.size(); ++i) {
    EXPECT_EQ(recordings[i]->wait(), 0) << recorded[i] << ": " << recordings[i]->rest_of_error();
  }
  const Finished cpu = pprof(folder, {"-top", "-seconds=1", program.url("/pprof/profile")});
  EXPECT_THAT(cpu.out, HasSubstr("burn_cpu")) << cpu.error;
}

TEST_P(Peers, ADifferenceHasWhatWasAllocatedMeanwhile) {
  const ScratchFolder folder;
  Leaking program(GetParam().environment);
  HttpClient client(program.port());
  client.send(request("GET", "/debug/pprof/heap?seconds=3"));
  // The recording has begun when an answer that queued up behind its start is there.
  EXPECT_EQ(get(program.port(), "/debug/pprof/heap").result_int(), 200U);
  program.command("leak");
  const std::string file = folder / "delta";
  std::ofstream(file) << client.receive().body();
  const Finished top = pprof(folder, {"-top", "-unit=MB", file});
  const double megabytes = cumulative_megabytes(top.out, "(?:\\(anonymous namespace\\)::)?leak_blocks");
  EXPECT_NEAR(megabytes, leaked_megabytes, 0.3 * leaked_megabytes) << "the second leak, and not the first: " << top.out;
}

// What Parca and Alloy ask of the profile: all four sample types whatever the moment, and /allocs cumulative for ever.
TEST_P(Peers, ScrapersFindTheFourSampleTypes) {
  Leaking program(GetParam().environment);
  const auto fetch = [&](const char* path) { return read_pprof(get(program.port(), path).body()); };
  const ReadProfile before = fetch("/debug/pprof/allocs");
  EXPECT_EQ(before.default_sample_type, "alloc_space");
  for (const char* const path : {"/debug/pprof/heap", "/debug/pprof/allocs", "/debug/pprof/delta_heap?seconds=1"}) {
    std::vector<std::string> types;
    for (const auto& type : fetch(path).sample_types) types.push_back(type.type + "/" + type.unit);
    EXPECT_THAT(types, ::testing::ElementsAre("alloc_objects/count", "alloc_space/bytes", "inuse_objects/count",
                                              "inuse_space/bytes"))
        << path;
  }
  if (std::string(GetParam().name) == "tcmalloc") return;  // its samples know nothing of what was freed
  program.command("leak");
  const auto leaked = fetch("/debug/pprof/allocs").total("alloc_space") - before.total("alloc_space");
  EXPECT_NEAR(static_cast<double>(leaked) / 1024 / 1024, leaked_megabytes, 0.3 * leaked_megabytes)
      << "cumulative, differences or not";
}

INSTANTIATE_TEST_SUITE_P(All, Peers, ::testing::ValuesIn(profiled_allocators),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(WithoutProfiler, TheAnswerSaysWhatToChange) {
  const Leaking jemalloc({"LD_PRELOAD=libjemalloc.so.2"});
  const HttpReply off = get(jemalloc.port(), "/debug/pprof/heap");
  EXPECT_EQ(off.result_int(), 501U);
  EXPECT_THAT(off.body(), HasSubstr("MALLOC_CONF"));
  const Leaking glibc({});
  const HttpReply none = get(glibc.port(), "/debug/pprof/heap");
  EXPECT_EQ(none.result_int(), 501U);
  EXPECT_THAT(none.body(), HasSubstr("libplateau_sampler.so"));
  EXPECT_EQ(get(glibc.port(), "/debug/footprint").result_int(), 200U) << "what can be had is served";
}

TEST(Growth, IsServedByGperftools) {
  const ScratchFolder folder;
  const Leaking program({"LD_PRELOAD=libtcmalloc.so.4"});
  const Finished top = pprof(folder, {"-top", program.url("/debug/pprof/growth")});
  EXPECT_EQ(top.status, 0) << top.error;
  EXPECT_THAT(top.out, HasSubstr("leak_blocks"));
}

TEST(Cpu, OneAtATime) {
  Leaking program({});
  program.command("burn");
  HttpClient first(program.port());
  first.send(request("GET", "/debug/pprof/profile?seconds=2"));
  unsigned second = 200;  // until the first has begun, which of the two is refused is open
  std::string reason;
  const auto ask = [&] {
    const HttpReply reply = get(program.port(), "/debug/pprof/profile?seconds=1");
    reason = reply.body();
    return reply.result_int();
  };
  second = ask();
  const unsigned result_of_first = first.receive().result_int();
  EXPECT_EQ(std::min(second, result_of_first), 200U);
  EXPECT_EQ(std::max(second, result_of_first), 500U);
  EXPECT_EQ(ask(), 200U) << "and then the next one: " << reason;
}

TEST(Curl, ReadsPagesAsAPersonDoes) {
  const Leaking program({"LD_PRELOAD=libjemalloc.so.2", "MALLOC_CONF=prof:true"});
  const auto curl = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"curl", "-sS", "--max-time", "60"});
    return run_to_end(std::move(arguments));
  };
  EXPECT_THAT(curl({program.url("/debug/pprof/heap?debug=1")}).out, HasSubstr("leak_one_block"));
  EXPECT_THAT(curl({program.url("/debug/footprint?debug=1")}).out, HasSubstr("largest gap: "));
  EXPECT_THAT(curl({program.url("/debug/pprof/")}).out, HasSubstr("delta_heap"));
  const Finished head = curl({"-I", program.url("/debug/pprof/heap")});
  EXPECT_THAT(head.out, HasSubstr("application/octet-stream"));
  const Finished foreign = curl({"-H", "Host: evil.example", "-w", "%{http_code}", program.url("/debug/pprof/heap")});
  EXPECT_THAT(foreign.out, HasSubstr("403"));
  const Finished oversized =
      curl({"-H", "X: " + std::string(100'000, 'x'), "-w", "%{http_code}", program.url("/metrics")});
  EXPECT_THAT(oversized.out, HasSubstr("431")) << oversized.error;
  const Finished left = run_to_end({"curl", "-sS", "--max-time", "0.2", program.url("/debug/pprof/heap?seconds=2")});
  EXPECT_EQ(left.status, 28) << "curl gives up";
  EXPECT_EQ(get(program.port(), "/debug/pprof/heap").result_int(), 200U) << "and the server goes on";
}

TEST(Prometheus, PromtoolFindsNothingToSay) {
  const ScratchFolder folder;
  const Leaking program({"LD_PRELOAD=libjemalloc.so.2"});
  const std::string file = folder / "metrics";
  std::ofstream(file) << get(program.port(), "/metrics").body();
  const Finished checked = run_to_end({"sh", "-c", "promtool check metrics < " + file});
  EXPECT_EQ(checked.status, 0);
  EXPECT_EQ(checked.out + checked.error, "");
}

TEST(Prometheus, ScrapesTheMetrics) {
  const ScratchFolder folder;
  const Leaking program({"LD_PRELOAD=libjemalloc.so.2"});
  std::ofstream(folder / "prometheus.yml")
      << "global: {scrape_interval: 1s}\n"
      << "scrape_configs:\n"
      << "  - job_name: plateau\n"
      << "    static_configs: [{targets: ['localhost:" << program.port() << "']}]\n";
  const auto port = static_cast<std::uint16_t>(20000 + ::getpid() % 10000);
  const ChildProgram prometheus({"prometheus", "--config.file=" + folder / "prometheus.yml",
                                 "--storage.tsdb.path=" + folder / "data",
                                 "--web.listen-address=127.0.0.1:" + std::to_string(port), "--log.level=error"});
  const auto query = [port](const std::string& expression) -> boost::json::array {
    try {
      const HttpReply reply = get(port, "/api/v1/query?query=" + expression);
      const boost::json::value answer = boost::json::parse(reply.body());
      return answer.at("data").at("result").as_array();
    } catch (const std::exception&) {
      return {};  // it does not listen yet
    }
  };
  boost::json::array found;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (found.empty() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    found = query("allocator_allocated_bytes");
  }
  ASSERT_FALSE(found.empty()) << "Prometheus has scraped nothing";
  EXPECT_GT(std::stod(std::string(found[0].at("value").at(1).as_string())), 95e6) << "the leak is in it";
  EXPECT_EQ(query("up").at(0).at("value").at(1).as_string(), "1");
  EXPECT_FALSE(query("process_resident_memory_bytes").empty());
  EXPECT_FALSE(query("process_cpu_seconds_total").empty());
}

}  // namespace
}  // namespace plateau::testing
