#include "profiling/heap_profiler.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <exception>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

#include "allocators/heap.hpp"
#include "allocators/system/descriptor.hpp"
#include "allocators/system/whole_file.hpp"
#include "allocators/unexported_symbols.hpp"
#include "profiling/heap_backends/allocator_inside.hpp"
#include "profiling/heap_backends/heap_profiler_backend.hpp"
#include "profiling/legacy_heap.hpp"
#include "profiling/pprof.hpp"
#include "profiling/symbols/mapping_history.hpp"

namespace plateau {
namespace heap_profiler_backend {
namespace {

class NoProfiler final : public Backend {
 public:
  ProfileReply available() const override {
    const Heap& heap = Heap::process();
    std::error_code error;
    if (heap.kind() == AllocatorKind::unknown && std::filesystem::equivalent(heap.library(), "/proc/self/exe", error)) {
      const std::string& jemalloc = jemalloc_out_of_reach();
      return {false, !jemalloc.empty() ? jemalloc : "the program has an allocator of its own, which nobody else knows"};
    }
    return {false, std::string(to_string(heap.kind())) +
                       " has no heap profiler: start the program with libplateau_sampler.so first in LD_PRELOAD"};
  }
  bool active() const override { return false; }
  ProfileReply start(const std::string& /*prefix*/) override { return available(); }
  ProfileReply stop() override { return available(); }
  ProfileReply write(int /*fd*/) override { return available(); }
  ProfileReply growth(std::string& /*text*/) override { return available(); }
};

Backend& own_profiler() {
  static NoProfiler none;
  switch (Heap::process().kind()) {
    case AllocatorKind::jemalloc:
      return jemalloc();
    case AllocatorKind::tcmalloc:
      return gperftools();
    default:
      return none;
  }
}

}  // namespace

Backend& backend() {
  Backend& own = own_profiler();
  if (!prefix_of_own_jemalloc().empty()) return own;  // a sampler in front of malloc sees nothing of it
  return !own.available().done && sampler().available().done ? sampler() : own;
}

bool write_all(int fd, const char* text, std::size_t bytes) {
  while (bytes > 0) {
    const ssize_t written = ::write(fd, text, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text += written;
    bytes -= static_cast<std::size_t>(written);
  }
  return true;
}

}  // namespace heap_profiler_backend

namespace {

using heap_profiler_backend::backend;

std::string errno_text() {
  return std::generic_category().message(errno);
}

// The profile must not be of what taking it costs.
class NotRecorded {
 public:
  NotRecorded() : before_(backend().record_this_thread(false)) {}
  ~NotRecorded() { backend().record_this_thread(before_); }
  NotRecorded(const NotRecorded&) = delete;
  NotRecorded& operator=(const NotRecorded&) = delete;

 private:
  const bool before_;
};

Profile read_profile(std::istream& text) {
  Profile profile = read_legacy_heap(text).profile;
  set_process_mappings(profile);
  name_allocator_code(profile.mappings);
  profile.time_nanos = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
  Heap& heap = Heap::process();
  profile.comments.push_back("allocator: " + std::string(to_string(heap.kind())) + " " + heap.version());
  if (const std::string configuration = heap.configuration(); !configuration.empty()) {
    profile.comments.push_back("configuration: " + configuration);
  }
  return profile;
}

// Has `write` fill a file, which is complete or absent.
template <class Write>
ProfileReply write_file(const std::string& path, Write write) {
  try {
    WholeFile file(path);
    if (ProfileReply reply = write(file); !reply.done) return reply;
    file.commit();
    return {true, {}};
  } catch (const std::runtime_error& error) {
    return {false, error.what()};
  }
}

// A sandbox may know files without a name, and none in memory alone.
Descriptor memory_file() {
  Descriptor file(memfd_create("heap profile", MFD_CLOEXEC));
  if (!file) file.reset(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR));
  return file;
}

std::ifstream reader_of(const Descriptor& file) {
  return std::ifstream("/proc/thread-self/fd/" + std::to_string(file.get()));
}

}  // namespace

ProfileReply HeapProfiler::available() {
  return backend().available();
}

bool HeapProfiler::active() {
  return backend().active();
}

ProfileReply HeapProfiler::start(const std::string& prefix) {
  return backend().start(prefix);
}

ProfileReply HeapProfiler::stop() {
  return backend().stop();
}

HeapSnapshot HeapProfiler::snapshot() {
  if (ProfileReply reply = available(); !reply.done) return {std::nullopt, std::move(reply.reason)};
  const NotRecorded not_recorded;
  if (auto profile = backend().profile()) return {std::move(profile), {}};
  const Descriptor dump = memory_file();
  if (dump.get() < 0) return {std::nullopt, "no memory for the dump: " + errno_text()};
  if (ProfileReply reply = backend().write(dump.get()); !reply.done) return {std::nullopt, std::move(reply.reason)};
  try {
    std::ifstream text = reader_of(dump);
    return {read_profile(text), {}};
  } catch (const std::runtime_error& error) {
    return {std::nullopt, error.what()};
  }
}

HeapSnapshot HeapProfiler::growth() {
  const NotRecorded not_recorded;
  std::string text;
  if (ProfileReply reply = backend().growth(text); !reply.done) return {std::nullopt, std::move(reply.reason)};
  try {
    std::istringstream lines(std::move(text));
    return {read_profile(lines), {}};
  } catch (const std::runtime_error& error) {
    return {std::nullopt, error.what()};
  }
}

ProfileReply HeapProfiler::dump(const std::string& path, Symbolizer* symbolizer,
                                const std::vector<std::string>& comments) {
  const NotRecorded not_recorded;
  HeapSnapshot taken = snapshot();
  if (!taken.profile) return {false, taken.reason};
  taken.profile->comments.insert(taken.profile->comments.end(), comments.begin(), comments.end());
  const std::string encoded = encode_pprof(*taken.profile, symbolizer);
  return write_file(path, [&](WholeFile& file) {
    file.stream() << encoded;
    return ProfileReply{true, {}};
  });
}

ProfileReply HeapProfiler::dump_raw(const std::string& path) {
  if (ProfileReply reply = available(); !reply.done) return reply;
  return write_file(path, [](WholeFile& file) {
    if (!file.in_place()) return backend().write(file.descriptor());
    // What is not a new file would be opened anew by the allocator, and emptied.
    const Descriptor dump = memory_file();
    if (dump.get() < 0) return ProfileReply{false, "no memory for the dump: " + errno_text()};
    if (ProfileReply reply = backend().write(dump.get()); !reply.done) return reply;
    file.stream() << reader_of(dump).rdbuf();
    return ProfileReply{true, {}};
  });
}

void HeapProfiler::exclude_this_thread() {
  backend().record_this_thread(false);
}

}  // namespace plateau
