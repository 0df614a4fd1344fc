#include "profiling/cpu_profiler.hpp"

#include <gperftools/profiler.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

#include "allocators/runtime_symbol.hpp"
#include "profiling/legacy_cpu.hpp"
#include "profiling/mappings.hpp"

namespace plateau {
namespace {

constexpr const char* library_file = "libprofiler.so.0";

struct Library {
  decltype(&ProfilerStart) start = nullptr;
  decltype(&ProfilerStop) stop = nullptr;
  decltype(&ProfilerGetCurrentState) state = nullptr;
  std::string missing;  // why it is not there

  bool running() const {
    ProfilerState now{};
    state(&now);
    return now.enabled != 0;
  }
};

// Its handler of SIGPROF must not take the place of the program's own. Looked at before it is loaded.
bool program_handles_sigprof() {
  struct sigaction action {};
  return ::sigaction(SIGPROF, nullptr, &action) == 0 &&
         ((action.sa_flags & SA_SIGINFO) != 0 || (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN));
}

Library load() {
  Library library;
  // A program may be linked with libprofiler, or with libtcmalloc_and_profiler; there must not be two.
  void* handle = RTLD_DEFAULT;
  if (dlsym(RTLD_DEFAULT, "ProfilerStart") == nullptr) {
    if (program_handles_sigprof()) {
      library.missing = "this program has a handler of its own for SIGPROF, which CPU profiles need";
      return library;
    }
    handle = dlopen(library_file, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      const char* const error = dlerror();
      library.missing = "no CPU profiler: apt-get install libgoogle-perftools4 (" +
                        std::string(error != nullptr ? error : library_file) + ")";
      return library;
    }
  }
  library.start = reinterpret_cast<decltype(&ProfilerStart)>(dlsym(handle, "ProfilerStart"));
  library.stop = reinterpret_cast<decltype(&ProfilerStop)>(dlsym(handle, "ProfilerStop"));
  library.state = reinterpret_cast<decltype(&ProfilerGetCurrentState)>(dlsym(handle, "ProfilerGetCurrentState"));
  if (library.start == nullptr || library.stop == nullptr || library.state == nullptr) {
    library.missing = "this libprofiler lacks ProfilerStart, ProfilerStop or ProfilerGetCurrentState";
  }
  return library;
}

const Library& libprofiler() {
  static const Library library = load();
  return library;
}

// A file in memory, mapped for reading.
class MappedFile {
 public:
  explicit MappedFile(int fd) {
    struct stat status {};
    if (::fstat(fd, &status) != 0 || status.st_size == 0) return;
    bytes_ = static_cast<std::size_t>(status.st_size);
    memory_ = ::mmap(nullptr, bytes_, PROT_READ, MAP_PRIVATE, fd, 0);
  }
  ~MappedFile() {
    if (memory_ != MAP_FAILED) ::munmap(memory_, bytes_);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::span<const std::byte> bytes() const {
    return memory_ == MAP_FAILED ? std::span<const std::byte>{}
                                 : std::span(static_cast<const std::byte*>(memory_), bytes_);
  }

 private:
  void* memory_ = MAP_FAILED;
  std::size_t bytes_ = 0;
};

// What libprofiler says on standard error when it stops ("PROFILE: interrupts/evictions/bytes = …"), unasked, is left
// out; what other threads of the program write there meanwhile goes through.
ssize_t write_but_for_libprofiler(void* /*cookie*/, const char* text, std::size_t bytes) {
  if (std::string_view(text, bytes).starts_with("PROFILE: interrupts/")) return static_cast<ssize_t>(bytes);
  return ::write(STDERR_FILENO, text, bytes);
}

void stop_quietly() {
  // Never closed: a thread may have taken it for stderr, and use it when it is stderr no longer.
  static std::FILE* const filter = [] {
    std::FILE* const made = ::fopencookie(nullptr, "w", {nullptr, write_but_for_libprofiler, nullptr, nullptr});
    if (made != nullptr) std::setvbuf(made, nullptr, _IONBF, 0);
    return made;
  }();
  std::FILE* const before = filter != nullptr ? __atomic_exchange_n(&stderr, filter, __ATOMIC_ACQ_REL) : nullptr;
  libprofiler().stop();
  if (before != nullptr) __atomic_store_n(&stderr, before, __ATOMIC_RELEASE);
}

std::int64_t nanoseconds(std::chrono::system_clock::duration duration) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
}

}  // namespace

ProfileReply CpuRecording::available() {
  const Library& library = libprofiler();
  return {library.missing.empty(), library.missing};
}

CpuRecording::CpuRecording() {
  const Library& library = libprofiler();
  if (!library.missing.empty()) throw std::runtime_error(library.missing);
  if (library.running()) throw std::runtime_error("a CPU profile is being recorded already");
  samples_fd_ = ::memfd_create("plateau-cpu-profile", MFD_CLOEXEC);
  if (samples_fd_ < 0) throw std::runtime_error(std::string("no memory for a CPU profile: ") + std::strerror(errno));
  // libprofiler opens by name; it writes from whichever thread it interrupts.
  started_ = std::chrono::system_clock::now();
  running_ = library.start(("/proc/self/fd/" + std::to_string(samples_fd_)).c_str()) != 0;
  if (!running_) {
    ::close(samples_fd_);
    throw std::runtime_error("libprofiler did not start (is SIGPROF or ITIMER_PROF in use?)");
  }
}

CpuRecording::~CpuRecording() {
  if (running_) stop_quietly();
  ::close(samples_fd_);
}

Profile CpuRecording::finish() {
  if (!running_) throw std::logic_error("a CPU profile is finished once");
  stop_quietly();
  running_ = false;
  const auto ended = std::chrono::system_clock::now();
  const MappedFile samples(samples_fd_);
  Profile profile = read_legacy_cpu(samples.bytes());
  profile.mappings = process_mappings();  // with build ids
  profile.time_nanos = nanoseconds(started_.time_since_epoch());
  profile.duration_nanos = nanoseconds(ended - started_);
  return profile;
}

}  // namespace plateau
