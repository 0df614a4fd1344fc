#include <cstddef>
#include <string>

#include "allocators/runtime_symbol.hpp"
#include "profiling/heap_profiler_backend.hpp"

namespace plateau::heap_profiler_backend {
namespace {

class Jemalloc final : public Backend {
 public:
  ProfileReply available() const override {
    if (read("opt.prof").on) return {true, {}};
    return {false, "jemalloc profiles only when started with prof:true in MALLOC_CONF"};
  }

  bool active() const override { return read("opt.prof").on && read("prof.active").on; }
  ProfileReply start(const std::string& /*prefix*/) override { return set_active(true); }
  ProfileReply stop() override { return set_active(false); }

  ProfileReply write(int fd) override {
    const std::string path = "/proc/thread-self/fd/" + std::to_string(fd);
    const char* name = path.c_str();
    if (mallctl_("prof.dump", nullptr, nullptr, static_cast<void*>(&name), sizeof name) != 0) {
      return {false, "jemalloc could not write its dump: no space left?"};
    }
    return {true, {}};
  }

  ProfileReply growth(std::string& /*text*/) override {
    return {false,
            "jemalloc keeps no profile of growth: with prof_gdump:true in MALLOC_CONF it writes a dump each time the "
            "heap reaches a new maximum, which heap2pprof --base compares"};
  }

  bool record_this_thread(bool on) override {
    const Flag before = read("thread.prof.active");
    if (!before.known) return true;
    mallctl_("thread.prof.active", nullptr, nullptr, &on, sizeof on);
    return before.on;
  }

 private:
  struct Flag {
    bool known = false;
    bool on = false;
  };

  Flag read(const char* name) const {
    Flag flag;
    std::size_t size = sizeof flag.on;
    flag.known = mallctl_ != nullptr && mallctl_(name, &flag.on, &size, nullptr, 0) == 0;
    if (!flag.known) flag.on = false;
    return flag;
  }

  ProfileReply set_active(bool on) {
    if (const ProfileReply reply = available(); !reply.done) return reply;
    if (mallctl_("prof.active", nullptr, nullptr, &on, sizeof on) != 0 || read("prof.active").on != on) {
      return {false, "jemalloc's prof.active did not take"};
    }
    return {true, {}};
  }

  using Mallctl = int(const char*, void*, std::size_t*, void*, std::size_t);
  Mallctl* const mallctl_ = runtime_symbol<Mallctl>("mallctl");
};

}  // namespace

Backend& jemalloc() {
  static Jemalloc backend;
  return backend;
}

}  // namespace plateau::heap_profiler_backend
