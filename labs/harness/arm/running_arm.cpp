#include "labs/harness/arm/running_arm.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <new>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "allocators/system/descriptor.hpp"
#include "labs/harness/arm/arm_json.hpp"

namespace plateau::harness {
namespace {

[[noreturn]] void throw_errno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// The ArmBlock in memory that the arm will share.
class SharedBlock {
 public:
  SharedBlock() : fd_(::memfd_create("plateau-arm", MFD_CLOEXEC)) {
    if (fd_.get() < 0 || ::ftruncate(fd_.get(), sizeof(ArmBlock)) != 0)
      throw_errno("cannot make shared memory for an arm");
    void* const memory = ::mmap(nullptr, sizeof(ArmBlock), PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
    if (memory == MAP_FAILED) throw_errno("cannot map shared memory for an arm");
    block_ = ::new (memory) ArmBlock();
  }
  ~SharedBlock() { ::munmap(block_, sizeof(ArmBlock)); }
  SharedBlock(const SharedBlock&) = delete;
  SharedBlock& operator=(const SharedBlock&) = delete;
  int fd() const { return fd_.get(); }
  ArmBlock& operator*() const { return *block_; }

 private:
  Descriptor fd_;
  ArmBlock* block_ = nullptr;
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

constexpr int not_started = 126;

// The arm's process. Killed and waited for by the destructor if it still runs.
class ArmProcess {
 public:
  ArmProcess(const MemoryLimit& limit, std::vector<std::string> arguments, std::vector<std::string> environment,
             const std::vector<int>& inherited) {
    const auto argv = pointers(arguments);
    const auto envp = pointers(environment);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) throw_errno("cannot start an arm");
    if (pid_ == 0) {
      // Between fork and exec: only what is async-signal-safe.
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(not_started);  // it died before that
      ::signal(SIGINT, SIG_IGN);                        // Ctrl-C reaches the whole terminal group; the parent decides
      ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);  // connections of a server are not the arm's
      for (const int fd : inherited) ::fcntl(fd, F_SETFD, 0);
      if (limit.enter()) ::execve("/proc/self/exe", argv.data(), envp.data());
      ::_exit(not_started);
    }
  }
  ~ArmProcess() {
    if (ended_) return;
    kill();
    ::waitpid(pid_, nullptr, 0);
  }
  ArmProcess(const ArmProcess&) = delete;
  ArmProcess& operator=(const ArmProcess&) = delete;

  pid_t pid() const { return pid_; }
  void kill() const { ::kill(pid_, SIGKILL); }
  bool ended() {
    if (!ended_) ended_ = ::wait4(pid_, &status_, WNOHANG, &usage_) == pid_;
    return ended_;
  }
  int status() const { return status_; }
  const rusage& usage() const { return usage_; }

 private:
  pid_t pid_ = -1;
  bool ended_ = false;
  int status_ = 0;
  rusage usage_{};
};

// Ends the peer's sockets and waits for its thread, in whatever way the arm ended.
class Peer {
 public:
  Peer(const Lab& lab, const ArmSpec& spec, std::vector<int> sockets)
      : sockets_(std::move(sockets)), thread_([this, &lab, &spec] { lab.run_peer(spec, sockets_); }) {}
  ~Peer() {
    for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
    thread_.join();
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

 private:
  std::vector<int> sockets_;
  std::thread thread_;
};

// Both ends of a connection.
struct SocketPair {
  Descriptor ours;
  Descriptor theirs;
};

std::vector<SocketPair> make_socket_pairs(std::size_t count) {
  std::vector<SocketPair> result;
  for (std::size_t i = 0; i < count; ++i) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) throw_errno("cannot make a socket pair");
    result.push_back({Descriptor(pair[0]), Descriptor(pair[1])});
  }
  return result;
}

AllocatorSettings settings_of(const Lab& lab, const ArmSpec& spec, LimitKind limit) {
  AllocatorSettings settings = lab.allocator_settings(spec);
  if (limit == LimitKind::rlimit_data && !settings.malloc_conf.empty()) {
    // RLIMIT_DATA counts address space: without this, jemalloc's retained extents would count as memory in use.
    settings.malloc_conf += ",retain:false";
  }
  return settings;
}

AllocatorChoice allocator_of(const ArmSpec& spec, const AllocatorSettings& settings) {
  AllocatorChoice allocator = choose_allocator(spec.allocator);
  if (settings.watches_block_ends) return with_sampler(std::move(allocator));
  return spec.profiled() ? with_heap_profiler(std::move(allocator)) : allocator;
}

}  // namespace

// Its members end in the reverse of their order: the process, its peer, and then the limit. A server that a lab starts
// for its arm belongs right after the limit: it is not under that limit, runs before the process, and ends after it.
class RunningArm::State {
 public:
  State(const Lab& lab, const ArmSpec& spec)
      : limit_(spec.memory_limit, spec.name),
        sockets_(make_socket_pairs(lab.description().lanes)),
        peer_(lab, spec, numbers(&SocketPair::ours)) {
    const AllocatorSettings settings = settings_of(lab, spec, limit_.kind());
    const std::vector<std::string> environment = environment_for(allocator_of(spec, settings), settings);
    allocator_environment_ = allocator_variables(environment);
    std::vector<int> inherited = numbers(&SocketPair::theirs);
    const boost::json::object argument{
        {"block", memory_.fd()}, {"sockets", boost::json::value_from(inherited)}, {"spec", to_json(spec)}};
    inherited.push_back(memory_.fd());
    process_.emplace(
        limit_, std::vector<std::string>{std::string(lab.description().name), "arm", boost::json::serialize(argument)},
        environment, inherited);
    for (SocketPair& pair : sockets_) pair.theirs.reset();
  }

  ArmBlock& block() const { return *memory_; }
  ArmProcess& process() { return *process_; }
  const MemoryLimit& limit() const { return limit_; }
  const std::vector<std::string>& allocator_environment() const { return allocator_environment_; }

 private:
  std::vector<int> numbers(Descriptor SocketPair::*end) const {
    std::vector<int> result;
    for (const SocketPair& pair : sockets_) result.push_back((pair.*end).get());
    return result;
  }

  const SharedBlock memory_;
  const MemoryLimit limit_;
  std::vector<SocketPair> sockets_;
  std::vector<std::string> allocator_environment_;
  const Peer peer_;
  std::optional<ArmProcess> process_;
};

RunningArm::RunningArm(const Lab& lab, const ArmSpec& spec)
    : state_(std::make_unique<State>(lab, spec)), block_(&state_->block()) {}

RunningArm::~RunningArm() = default;

pid_t RunningArm::pid() const {
  return state_->process().pid();
}

LimitKind RunningArm::limit_kind() const {
  return state_->limit().kind();
}

const std::vector<std::string>& RunningArm::allocator_environment() const {
  return state_->allocator_environment();
}

bool RunningArm::ended() {
  return state_->process().ended();
}

const rusage& RunningArm::usage() const {
  return state_->process().usage();
}

void RunningArm::judge_end(ArmResult& result) const {
  const int status = state_->process().status();
  result.message = load_text(block_->message);
  result.evidence = state_->limit().evidence();
  const Phase phase = block_->phase.load(std::memory_order_acquire);
  // The kernel's word, and only that: the child died by SIGKILL, and the kernel counted a kill in a group at its limit.
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && state_->limit().killed()) {
    result.outcome = Outcome::oom_killed;
  } else if (phase == Phase::allocation_failed) {
    result.outcome = Outcome::allocation_failed;
  } else if (phase == Phase::finished && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    result.outcome = Outcome::completed;
  } else {
    result.outcome = Outcome::failed;
    if (result.message.empty()) {
      result.message = WIFSIGNALED(status)
                           ? fmt::format("ended by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)))
                           : fmt::format("ended with status {}", WEXITSTATUS(status));
    }
  }
}

}  // namespace plateau::harness
