#include <gperftools/malloc_extension.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <system_error>

#include "allocators/runtime_symbol.hpp"
#include "profiling/heap_backends/heap_profiler_backend.hpp"

namespace plateau::heap_profiler_backend {
namespace {

// Of tcmalloc only virtual functions are called, so that nothing has to be linked with it.
class Gperftools final : public Backend {
 public:
  ProfileReply available() const override {
    if (start_ != nullptr || sample_period() > 0) return {true, {}};
    return {false, "this tcmalloc has no heap profiler (libtcmalloc_minimal?): preload libtcmalloc.so.4"};
  }

  bool active() const override { return is_running() || sample_period() > 0; }

  ProfileReply start(const std::string& prefix) override {
    if (const ProfileReply reply = available(); !reply.done) return reply;
    // With HEAPPROFILE in the environment gperftools has started by itself, and its prefix stands. A program that is
    // sampled already is not slowed down by an exact profile.
    if (start_ != nullptr && !is_running() && sample_period() == 0) start_(prefix.c_str());
    return {true, {}};
  }

  ProfileReply stop() override {
    if (!is_running()) return {false, "the gperftools heap profiler was not started"};
    stop_();
    return {true, {}};
  }

  ProfileReply write(int fd) override {
    std::string sample;
    if (!is_running()) {
      if (sample_period() == 0) return {false, "the gperftools heap profiler was not started"};
      extension()->GetHeapSample(&sample);
      return write(fd, sample.data(), sample.size());
    }
    // The text is malloc'ed by gperftools outside its own count, and holds 1 MiB: of more, the largest
    // stacks, which the reader notices.
    const std::unique_ptr<char, void (*)(void*)> text(profile_(), std::free);
    if (text == nullptr) return {false, "gperftools gave no heap profile"};
    return write(fd, text.get(), std::strlen(text.get()));
  }

  ProfileReply growth(std::string& text) override {
    if (extension() == nullptr) return {false, "this tcmalloc has no growth profile: preload libtcmalloc.so.4"};
    extension()->GetHeapGrowthStacks(&text);
    return {true, {}};
  }

 private:
  static ProfileReply write(int fd, const char* text, std::size_t bytes) {
    if (write_all(fd, text, bytes)) return {true, {}};
    return {false, std::generic_category().message(errno)};
  }

  bool is_running() const { return is_running_ != nullptr && is_running_() != 0; }

  // What tcmalloc itself reads at start; 0: it does not sample.
  static std::int64_t sample_period() {
    const char* const text = std::getenv("TCMALLOC_SAMPLE_PARAMETER");
    return text == nullptr ? 0 : std::atoll(text);
  }

  static MallocExtension* extension() {
    auto* const instance = runtime_symbol<MallocExtension*()>("_ZN15MallocExtension8instanceEv");
    return instance == nullptr ? nullptr : instance();
  }

  void (*const start_)(const char*) = runtime_symbol<void(const char*)>("HeapProfilerStart");
  void (*const stop_)() = runtime_symbol<void()>("HeapProfilerStop");
  int (*const is_running_)() = runtime_symbol<int()>("IsHeapProfilerRunning");
  char* (*const profile_)() = runtime_symbol<char*()>("GetHeapProfile");
};

}  // namespace

Backend& gperftools() {
  static Gperftools backend;
  return backend;
}

}  // namespace plateau::heap_profiler_backend
