// Protects what the debug server promises to clients, and to the program it runs in: real sockets, sources of the
// test's own.
#include "profiling/debug_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <latch>
#include <memory>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "tests/profiling/http_client.hpp"

namespace plateau::testing {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;
namespace http = boost::beast::http;

constexpr std::chrono::seconds patience{60};  // for what must happen, at some time

Profile small_profile() {
  Profile profile(std::vector<ValueType>{{"inuse_objects", "count"}, {"inuse_space", "bytes"}});
  const std::array<std::uint64_t, 1> stack{profile.named_frame("a frame of the test")};
  const std::array<std::int64_t, 2> values{1, 4096};
  profile.add(stack, values);
  return profile;
}

class PlainRecording : public Recording {
 public:
  Profile finish() override { return small_profile(); }
};

std::unique_ptr<Recording> plain_recording(const RecordingOptions& /*options*/) {
  return std::make_unique<PlainRecording>();
}

ProfileSource plain_source(std::string name = "heap") {
  return {.name = std::move(name),
          .description = "a profile of the <test>",
          .default_sample_type = "inuse_space",
          .snapshot = small_profile,
          .record = plain_recording,
          .count = [] { return 1; }};
}

ProfileSource failing_source(std::string name, std::function<Profile()> snapshot) {
  ProfileSource source = plain_source(std::move(name));
  source.snapshot = std::move(snapshot);
  return source;
}

DebugServerOptions options_with(std::vector<ProfileSource> profiles) {
  return {.address = "127.0.0.1:0", .profiles = std::move(profiles)};
}

std::string field(const HttpReply& reply, std::string_view name) {
  return std::string(reply[boost::beast::string_view(name.data(), name.size())]);
}

TEST(DebugServer, EveryPageSaysWhatItIs) {
  const DebugServer server(options_with({plain_source()}));
  const std::vector<std::pair<const char*, const char*>> pages{
      {"/debug/pprof/", "text/html; charset=utf-8"},
      {"/debug/pprof/cmdline", "text/plain; charset=utf-8"},
      {"/debug/pprof/symbol", "text/plain; charset=utf-8"},
      {"/debug/pprof/heap", "application/octet-stream"},
      {"/debug/pprof/heap?debug=1", "text/plain; charset=utf-8"},
      {"/pprof/heap", "application/octet-stream"},
      {"/debug/footprint", "application/json"},
      {"/debug/footprint?debug=1", "text/plain; charset=utf-8"},
      {"/metrics", "text/plain; version=0.0.4; charset=utf-8"},
  };
  for (const auto& [target, type] : pages) {
    const HttpReply reply = get(server.port(), target);
    EXPECT_EQ(reply.result_int(), 200U) << target;
    EXPECT_EQ(field(reply, "Content-Type"), type) << target;
    EXPECT_EQ(field(reply, "X-Content-Type-Options"), "nosniff") << target;
    EXPECT_FALSE(reply.body().empty()) << target;
  }
  EXPECT_EQ(field(get(server.port(), "/debug/footprint", "Accept: text/html\r\n"), "Content-Type"),
            "text/html; charset=utf-8");
}

TEST(DebugServer, TheIndexListsEveryProfileWithItsCount) {
  const DebugServer server(options_with({plain_source("heap"), plain_source("another")}));
  const std::string page = get(server.port(), "/debug/pprof/").body();
  EXPECT_THAT(page, HasSubstr("<td>1</td><td><a href=\"heap?debug=1\">heap</a></td><td>a profile of the &lt;test&gt;"));
  EXPECT_THAT(page, HasSubstr(">another</a>"));
}

TEST(DebugServer, ProfilesComeAsFilesOfGzippedProto) {
  const DebugServer server(options_with({plain_source()}));
  const HttpReply snapshot = get(server.port(), "/debug/pprof/heap");
  EXPECT_EQ(field(snapshot, "Content-Disposition"), "attachment; filename=\"heap\"");
  EXPECT_THAT(snapshot.body(), StartsWith("\x1f\x8b"));
  const HttpReply difference = get(server.port(), "/debug/pprof/heap?seconds=1");
  EXPECT_EQ(field(difference, "Content-Disposition"), "attachment; filename=\"heap-delta\"");
  EXPECT_THAT(difference.body(), StartsWith("\x1f\x8b"));
}

TEST(DebugServer, ReadableTextNamesTheFrames) {
  const DebugServer server(options_with({plain_source()}));
  const std::string text = get(server.port(), "/debug/pprof/heap?debug=1").body();
  EXPECT_THAT(text, HasSubstr("inuse_objects/count inuse_space/bytes"));
  EXPECT_THAT(text, HasSubstr("a frame of the test"));
}

TEST(DebugServer, CmdlineSeparatesArgumentsByNul) {
  const DebugServer server(options_with({}));
  std::ifstream file("/proc/self/cmdline");
  const std::string own{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(get(server.port(), "/debug/pprof/cmdline").body() + '\0', own);
}

[[gnu::noinline]] void function_of_the_test() {
  static std::atomic<int> called;
  ++called;
}

TEST(DebugServer, SymbolNamesFunctions) {
  function_of_the_test();
  const DebugServer server(options_with({}));
  EXPECT_EQ(get(server.port(), "/debug/pprof/symbol").body(), "num_symbols: 1\n");
  char address[32];
  std::snprintf(address, sizeof address, "0x%zx", reinterpret_cast<std::size_t>(&function_of_the_test));
  HttpClient client(server.port());
  client.send(request("POST", "/debug/pprof/symbol", {}, std::string(address) + "+0x1+nonsense"));
  const std::string text = client.receive().body();
  EXPECT_THAT(text, StartsWith("num_symbols: 1\n" + std::string(address) + " "));
  EXPECT_THAT(text, HasSubstr("function_of_the_test"));
  EXPECT_THAT(text, EndsWith("\n"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << "what has no name has no line";
}

TEST(DebugServer, ErrorsAreOneLineOfTextAsInGo) {
  const DebugServer server(options_with({
      failing_source("cannot", []() -> Profile { throw ProfileUnavailable("set X"); }),
      failing_source("busy", []() -> Profile { throw ProfileBusy("one is under way"); }),
      failing_source("broken", []() -> Profile { throw std::runtime_error("the disk is full"); }),
  }));
  const auto expect = [&](const char* target, unsigned status, const char* body) {
    const HttpReply reply = get(server.port(), target);
    EXPECT_EQ(reply.result_int(), status) << target;
    EXPECT_EQ(reply.body(), body) << target;
    EXPECT_EQ(field(reply, "Content-Type"), "text/plain; charset=utf-8") << target;
    EXPECT_EQ(field(reply, "X-Go-Pprof"), "1") << target;
    return reply;
  };
  expect("/debug/pprof/cannot", 501, "set X\n");
  EXPECT_FALSE(field(expect("/debug/pprof/busy", 500, "one is under way\n"), "Retry-After").empty());
  expect("/debug/pprof/broken", 500, "the disk is full\n");
  expect("/debug/pprof/heap", 404, "no such page; /debug/pprof/ lists what there is\n");
}

TEST(DebugServer, SecondsOutOfRange) {
  const DebugServer server(options_with({plain_source()}));
  for (const char* const seconds : {"-1", "1e9", "1000000000", "0"}) {
    EXPECT_EQ(get(server.port(), "/debug/pprof/heap?seconds=" + std::string(seconds)).result_int(), 400U) << seconds;
  }
}

TEST(DebugServer, HeadHasTheLengthAndNoBody) {
  const DebugServer server(options_with({}));
  HttpClient client(server.port());
  client.send(request("HEAD", "/debug/pprof/symbol") + request("GET", "/debug/pprof/symbol"));
  const HttpReply head = client.receive(true);
  EXPECT_EQ(field(head, "Content-Length"), "15");
  EXPECT_EQ(client.receive().body(), "num_symbols: 1\n") << "and the next answer follows on the same connection";
}

TEST(DebugServer, OversizedAndMalformedRequests) {
  const DebugServer server(options_with({plain_source()}));
  const auto status = [&](std::string_view bytes) {
    HttpClient client(server.port());
    client.send(bytes);
    return client.receive().result_int();
  };
  EXPECT_EQ(status(request("GET", "/metrics", "X: " + std::string(100'000, 'x') + "\r\n")), 431U);
  EXPECT_EQ(status("GET /" + std::string(100'000, 'x')), 431U);
  EXPECT_EQ(status("POST /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n"),
            413U);
  EXPECT_EQ(status("no HTTP at all\r\n\r\n"), 400U);
  EXPECT_EQ(status("GET /metrics HTTP/1.1\r\n\r\n"), 400U) << "no Host";
  EXPECT_EQ(status("GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n"), 400U) << "two";
  EXPECT_EQ(status("GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n"), 403U);
  EXPECT_EQ(status(request("POST", "/debug/pprof/symbol", "Origin: http://evil.example\r\n", "0x1")), 403U);
  EXPECT_EQ(status(request("POST", "/debug/pprof/heap", {}, "x")), 405U);
  EXPECT_EQ(get(server.port(), "/metrics").result_int(), 200U);
}

// 200 clients that never finish their request: the one that does is served.
TEST(DebugServer, SlowClientsKeepNobodyOut) {
  const DebugServer server(options_with({}));
  std::vector<std::unique_ptr<HttpClient>> slow;
  for (int i = 0; i < 200; ++i) {
    slow.push_back(std::make_unique<HttpClient>(server.port()));
    slow.back()->send("GET /metrics HTTP/1.1\r\nHost: local");
  }
  for (int i = 0; i < 10; ++i) EXPECT_EQ(get(server.port(), "/metrics").result_int(), 200U);
}

TEST(DebugServer, NoMoreThanAFewProfilesAtATime) {
  std::counting_semaphore<16> begun(0);
  std::latch go(1);
  const DebugServer server(options_with({failing_source("slow", [&] {
    begun.release();
    go.wait();
    return small_profile();
  })}));
  // A difference counts from when it is asked for, and so it is known here that all are under way.
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(std::make_unique<HttpClient>(server.port()));
    clients.back()->send(request("GET", "/debug/pprof/slow"));
  }
  begun.acquire();  // the first is being taken; its thread is held
  HttpReply refused;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  do {
    clients.push_back(std::make_unique<HttpClient>(server.port()));
    clients.back()->send(request("GET", "/metrics"));
    EXPECT_EQ(clients.back()->receive().result_int(), 200U) << "other pages do not wait for profiles";
    HttpClient fifth(server.port());
    fifth.send(request("GET", "/debug/pprof/slow?debug=x"));
    EXPECT_EQ(fifth.receive().result_int(), 400U) << "nor do refusals";
    HttpClient one_more(server.port());
    one_more.send(request("GET", "/debug/pprof/slow"));
    refused = one_more.receive();
  } while (refused.result_int() != 503 && std::chrono::steady_clock::now() < deadline);
  EXPECT_EQ(refused.result_int(), 503U);
  EXPECT_FALSE(field(refused, "Retry-After").empty());
  go.count_down();
  for (int i = 0; i < 4; ++i) EXPECT_EQ(clients[static_cast<std::size_t>(i)]->receive().result_int(), 200U);
}

// A recording that tells when it ends, and whether it was finished or thrown away.
class WatchedRecording final : public PlainRecording {
 public:
  explicit WatchedRecording(std::promise<bool>& ended) : ended_(ended) {}
  ~WatchedRecording() override { ended_.set_value(finished_); }
  Profile finish() override {
    finished_ = true;
    return small_profile();
  }

 private:
  std::promise<bool>& ended_;
  bool finished_ = false;
};

ProfileSource watched_source(std::promise<void>& begun, std::promise<bool>& ended) {
  ProfileSource source = plain_source("watched");
  source.record = [&](const RecordingOptions& /*options*/) {
    begun.set_value();
    return std::make_unique<WatchedRecording>(ended);
  };
  return source;
}

TEST(DebugServer, ARecordingHoldsNoThread) {
  std::promise<void> begun;
  std::promise<bool> ended;
  std::future<bool> end = ended.get_future();
  const DebugServer server(options_with({watched_source(begun, ended), plain_source()}));
  HttpClient client(server.port());
  client.send(request("GET", "/debug/pprof/watched?seconds=2"));
  begun.get_future().wait();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(get(server.port(), "/debug/pprof/heap").result_int(), 200U);
  EXPECT_EQ(client.receive().result_int(), 200U);
  EXPECT_TRUE(end.get());
}

TEST(DebugServer, ARecordingSurvivesAClientThatLeaves) {
  std::promise<void> begun;
  std::promise<bool> ended;
  std::future<bool> end = ended.get_future();
  const DebugServer server(options_with({watched_source(begun, ended)}));
  HttpClient client(server.port());
  client.send(request("GET", "/debug/pprof/watched?seconds=1"));
  begun.get_future().wait();
  client.close();
  ASSERT_EQ(end.wait_for(patience), std::future_status::ready);
  EXPECT_TRUE(end.get()) << "finished, not thrown away";
  EXPECT_EQ(get(server.port(), "/metrics").result_int(), 200U);
}

// Only one at a time, as of CPU.
TEST(DebugServer, ARecordingWhoseClientHasLeftMakesWayForAnother) {
  std::promise<void> begun;
  std::promise<bool> ended;
  std::future<bool> end = ended.get_future();
  ProfileSource source = watched_source(begun, ended);
  std::atomic<int> asked{0};
  source.record = [&, first = source.record](const RecordingOptions& options) -> std::unique_ptr<Recording> {
    if (asked++ == 0) return first(options);
    if (end.wait_for(std::chrono::seconds(0)) != std::future_status::ready) throw ProfileBusy("one is under way");
    return plain_recording(options);
  };
  const DebugServer server(options_with({source}));
  HttpClient client(server.port());
  client.send(request("GET", "/debug/pprof/watched?seconds=600"));
  begun.get_future().wait();
  EXPECT_EQ(get(server.port(), "/debug/pprof/watched?seconds=1").result_int(), 500U) << "its client still waits";
  client.close();
  const auto deadline = std::chrono::steady_clock::now() + patience;
  unsigned status = 500;  // until the server has seen it leave
  while (status == 500 && std::chrono::steady_clock::now() < deadline)
    status = get(server.port(), "/debug/pprof/watched?seconds=1").result_int();
  EXPECT_EQ(status, 200U);
  EXPECT_FALSE(end.get()) << "thrown away";
}

TEST(DebugServer, TheEndDoesNotWaitForARecording) {
  std::promise<void> begun;
  std::promise<bool> ended;
  std::future<bool> end = ended.get_future();
  auto server = std::make_unique<DebugServer>(options_with({watched_source(begun, ended)}));
  HttpClient client(server->port());
  client.send(request("GET", "/debug/pprof/watched?seconds=600"));
  begun.get_future().wait();
  server.reset();
  EXPECT_FALSE(end.get()) << "thrown away";
  EXPECT_THROW(client.receive(), boost::system::system_error);
}

TEST(DebugServer, APortInUseIsOneClearError) {
  auto first = std::make_unique<DebugServer>(options_with({}));
  const std::string address = "127.0.0.1:" + std::to_string(first->port());
  DebugServerOptions same = options_with({});
  same.address = address;
  try {
    const DebugServer second(same);
    FAIL() << "two servers on one port";
  } catch (const std::runtime_error& error) {
    EXPECT_EQ(error.what(), "cannot listen on " + address + ": Address already in use");
  }
  EXPECT_EQ(get(first->port(), "/metrics").result_int(), 200U);
  first.reset();
  const DebugServer next(same);  // free again at once
  EXPECT_EQ(get(next.port(), "/metrics").result_int(), 200U);
}

TEST(DebugServer, OtherMachinesAreLetInOnlyWhenAsked) {
  EXPECT_THROW(DebugServer({.address = "0.0.0.0:0"}), std::invalid_argument);
  const DebugServer server({.address = "0.0.0.0:0", .allow_remote = true});
  EXPECT_EQ(get(server.port(), "/metrics").result_int(), 200U);
}

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator first("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(first, {}));
}

TEST(DebugServer, TheProgramsDescriptorsAreItsOwn) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "they are shared here";
#endif
  const std::size_t before = open_descriptors();
  const DebugServer server(options_with({plain_source()}));
  EXPECT_EQ(open_descriptors(), before);
  // A pipe that the program closes is closed, although the server was started while it was open.
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const DebugServer later(options_with({plain_source()}));
  ::close(pipe[1]);
  char byte = 0;
  EXPECT_EQ(::read(pipe[0], &byte, 1), 0) << "the end of the pipe";
  ::close(pipe[0]);
  EXPECT_EQ(get(later.port(), "/debug/pprof/heap").result_int(), 200U);
}

TEST(DebugServer, AChildServesNothingAndKeepsNoPort) {
  auto server = std::make_unique<DebugServer>(options_with({plain_source()}));
  DebugServerOptions same = options_with({plain_source()});
  same.address = "127.0.0.1:" + std::to_string(server->port());
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(pipe[1]);
    char byte = 0;
    const bool told = ::read(pipe[0], &byte, 1) == 0;  // until the parent has made its checks
    server.reset();                                    // returns, although no thread of it is here
    ::_exit(told ? 0 : 1);
  }
  ::close(pipe[0]);
  EXPECT_EQ(get(server->port(), "/debug/pprof/heap").result_int(), 200U) << "the parent serves on";
  server.reset();
  EXPECT_NO_THROW(DebugServer{same}) << "the child does not hold the port";
  ::close(pipe[1]);
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST(DebugServer, AForkWaitsForTheProfilerAndThenGoesOn) {
  std::promise<void> begun;
  std::latch go(1);
  std::atomic<bool> taken{false};
  const DebugServer server(options_with({failing_source("slow", [&] {
    begun.set_value();
    go.wait();
    taken = true;
    return small_profile();
  })}));
  HttpClient client(server.port());
  client.send(request("GET", "/debug/pprof/slow"));
  begun.get_future().wait();
  std::thread releases([&go] { go.count_down(); });
  const pid_t child = ::fork();
  if (child == 0) ::_exit(taken ? 0 : 1);
  releases.join();
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0) << "forked in the middle of a snapshot";
  EXPECT_EQ(client.receive().result_int(), 200U);
}

// Signals to the process are for the program's own threads.
TEST(DebugServer, ItsThreadsTakeNoSignals) {
  const DebugServer server(options_with({plain_source()}));
  EXPECT_EQ(get(server.port(), "/debug/pprof/heap").result_int(), 200U);
  std::size_t found = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream status(task.path() / "status");
    std::string name;
    std::uint64_t blocked = 0;
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("Name:\t")) name = line.substr(6);
      if (line.starts_with("SigBlk:\t")) blocked = std::stoull(line.substr(8), nullptr, 16);
    }
    if (!name.starts_with("plateau-")) continue;
    ++found;
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD, SIGPROF, SIGALRM}) {
      EXPECT_TRUE(blocked >> (signal - 1) & 1) << name << " takes " << signal;
    }
    const bool has_run = name == "plateau-answer";  // until its first instruction a thread blocks everything
    EXPECT_FALSE(has_run && (blocked >> (SIGSEGV - 1) & 1)) << name;
  }
  EXPECT_GE(found, 3U);
}

}  // namespace
}  // namespace plateau::testing

// Reference counts that ThreadSanitizer does not see into: libstdc++'s of exceptions (not instrumented) and Asio's of
// executors (a fence, which it does not know).
extern "C" const char* __tsan_default_suppressions() {
  return "race:std::__exception_ptr::exception_ptr::_M_release\n"
         "race:boost::asio::execution::detail::shared_target_executor\n";
}
