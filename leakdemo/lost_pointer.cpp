// Leak "lost pointer": a user logs in again, and the table's pointer to the old session is overwritten. Nothing reaches
// it any more, and nobody frees it.
//
//   MALLOC_CONF=prof:true LD_PRELOAD=libjemalloc.so.2 lost_pointer --profile lost.pb.gz
#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <unordered_map>

#include <CLI/CLI.hpp>

#include "profiling/heap_profiler.hpp"
#include "profiling/symbolizer.hpp"

namespace {

struct Session {
  std::uint32_t user = 0;
  char state[1000] = {};
};

class LeakingSessions {
 public:
  // The fault: operator[] gives the old pointer, and the assignment forgets it.
  [[gnu::noinline]] void login(std::uint32_t user) { by_user_[user] = new Session{.user = user}; }
  std::size_t count() const { return by_user_.size(); }

 private:
  std::unordered_map<std::uint32_t, Session*> by_user_;
};

class OwningSessions {
 public:
  // The repair: the table owns its sessions, and assignment destroys the old one.
  [[gnu::noinline]] void login(std::uint32_t user) {
    by_user_[user] = std::make_unique<Session>(Session{.user = user});
  }
  std::size_t count() const { return by_user_.size(); }

 private:
  std::unordered_map<std::uint32_t, std::unique_ptr<Session>> by_user_;
};

constexpr std::uint32_t users = 100;

template <class Sessions>
int serve(std::uint32_t logins, const std::string& profile) {
  if (!profile.empty()) {
    if (const auto started = plateau::HeapProfiler::start(profile); !started.done) {
      fmt::print(stderr, "lost_pointer: --profile: {}\n", started.reason);
      return 2;
    }
  }
  Sessions sessions;
  for (std::uint32_t i = 0; i < logins; ++i) sessions.login(i % users);
  fmt::print("{} logins, {} sessions in the table\n", logins, sessions.count());
  if (profile.empty()) return 0;
  plateau::Symbolizer symbolizer;
  if (const auto dumped = plateau::HeapProfiler::dump(profile, &symbolizer); !dumped.done) {
    fmt::print(stderr, "lost_pointer: {}\n", dumped.reason);
    return 2;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  bool fixed = false;
  std::uint32_t logins = 100'000;
  std::string profile;
  CLI::App app{"sessions that are lost when a user logs in again", "lost_pointer"};
  app.add_flag("--fixed", fixed, "the repaired table");
  app.add_option("--logins", logins, "how many, by 100 users")->capture_default_str();
  app.add_option("--profile", profile, "write a heap profile here at the end");
  try {
    app.parse(argc, argv);
    return fixed ? serve<OwningSessions>(logins, profile) : serve<LeakingSessions>(logins, profile);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const std::exception& error) {
    fmt::print(stderr, "lost_pointer: {}\n", error.what());
    return 2;
  }
}
