#include <sys/stat.h>

#include <cctype>
#include <string>

#include "allocators/jemalloc/control.hpp"
#include "allocators/unexported_symbols.hpp"
#include "profiling/heap_backends/heap_profiler_backend.hpp"

namespace plateau::heap_profiler_backend {
namespace {

class Jemalloc final : public Backend {
 public:
  ProfileReply available() const override {
    if (is_on("opt.prof")) return {true, {}};
    if (!is_on("config.prof")) {
      return {false, "this jemalloc was built without --enable-prof and cannot profile: build it with that"};
    }
    std::string reason = "jemalloc profiles only when started with prof:true in MALLOC_CONF";
    if (const std::string& prefix = prefix_of_own_jemalloc(); !prefix.empty()) {
      reason += "; the program's own, with the prefix " + prefix + ", may read " + upper_case(prefix) + "MALLOC_CONF";
    }
    return {false, reason};
  }

  bool active() const override { return is_on("opt.prof") && is_on("prof.active"); }
  ProfileReply start(const std::string& /*prefix*/) override { return set_active(true); }
  ProfileReply stop() override { return set_active(false); }

  ProfileReply write(int fd) override {
    const std::string path = "/proc/thread-self/fd/" + std::to_string(fd);
    if (jemalloc::write("prof.dump", path.c_str()) != jemalloc::ControlError::none) {
      struct stat status {};
      if (::stat(path.c_str(), &status) != 0) {
        return {false, "jemalloc writes its dump to a path, and there is no /proc here to give one: a chroot?"};
      }
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
    const auto before = jemalloc::read<bool>("thread.prof.active");
    if (!before) return true;
    jemalloc::write("thread.prof.active", on);
    return before.value;
  }

 private:
  static std::string upper_case(std::string text) {
    for (char& letter : text) letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
    return text;
  }

  static bool is_on(const char* name) { return jemalloc::read<bool>(name).value_or(false); }

  ProfileReply set_active(bool on) {
    if (const ProfileReply reply = available(); !reply.done) return reply;
    if (jemalloc::set("prof.active", on) != jemalloc::ControlError::none) {
      return {false, "jemalloc's prof.active did not take"};
    }
    return {true, {}};
  }
};

}  // namespace

Backend& jemalloc() {
  static Jemalloc backend;
  return backend;
}

}  // namespace plateau::heap_profiler_backend
