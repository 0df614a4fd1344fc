// What the agent does in a program: a server and a black box, and the threads that they have.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "profiling/black_box.hpp"
#include "profiling/debug_server.hpp"
#include "profiling/host/service_thread.hpp"

namespace plateau {

// The variables at the head of agent.cpp, as they were when the program started.
struct AgentWishes {
  static constexpr const char* address_variable = "PLATEAU_PPROF";
  static constexpr const char* directory_variable = "PLATEAU_BLACK_BOX";
  static constexpr const char* hosts_variable = "PLATEAU_PPROF_HOSTS";

  std::string address;    // empty: no server
  std::string directory;  // empty: no black box
  std::string program;    // under which it is announced
  std::vector<std::string> hosts;
  bool allow_remote = false;
  bool children = false;
  bool verbose = false;
};

// Prints one line on standard error.
void say(const char* variable, const std::string& what);

class AgentServices {
 public:
  explicit AgentServices(AgentWishes wishes) : wishes_(std::move(wishes)) {}
  AgentServices(const AgentServices&) = delete;
  AgentServices& operator=(const AgentServices&) = delete;

  const AgentWishes& wishes() const { return wishes_; }
  // False in a forked child.
  bool is_of_this_process() const;

  // Begins what can be had, and says what cannot.
  void begin() noexcept;
  // The same from a thread of its own, a tenth of a second later: most forked children have become another program by
  // then. When the address is taken, by the parent, say, it is tried again for a minute.
  void begin_later() noexcept;
  // For good. Does nothing in a forked child of the process that made this.
  void end() noexcept;
  // Waits for so long at most for an answer that is being made, without asking the kernel for anything: a filter of the
  // program's might forbid it.
  static void wait_until_idle(std::chrono::milliseconds patience) noexcept;
  // Calls it once the process has no service threads, begins again, and returns what it returned, with its errno. For
  // the kernel, a thread exists a little longer than for pthread_join(): waits until `is_alone`, and a moment more.
  int call_alone(const std::function<int()>& call, const std::function<bool()>& is_alone) noexcept;

 private:
  enum class Taken { say, wait };

  void keep_profiles();
  bool serve(Taken taken);  // false: wait for the address
  std::unique_ptr<DebugServer> make_server() const;
  void wait_and_begin();
  void stop_threads();
  const AgentWishes wishes_;
  const pid_t process_ = ::getpid();
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::unique_ptr<DebugServer> server_;
  std::unique_ptr<BlackBox> black_box_;
  std::unique_ptr<ServiceThread> later_;
};

}  // namespace plateau
