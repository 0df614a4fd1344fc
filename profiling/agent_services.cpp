#include "profiling/agent_services.hpp"

#include <errno.h>
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <utility>

#include <boost/asio/ip/udp.hpp>

#include "profiling/host/address_holder.hpp"
#include "profiling/host/service_work.hpp"
#include "profiling/http/server_address.hpp"
#include "profiling/http/server_socket.hpp"

namespace plateau {
namespace {

constexpr std::chrono::milliseconds first_pause{100};
constexpr std::chrono::seconds longest_pause{2};
constexpr std::chrono::minutes patience_for_an_address{1};
constexpr std::chrono::milliseconds patience_for_threads{200};
constexpr std::chrono::milliseconds patience_for_the_kernel{5};

// Sandboxes such as chromium's make a process of one thread, in a network of its own in which nothing is up yet, and
// end it when it has another one. A thread that waits for clients there waits in vain.
void require_network(const ServerAddress& wanted) {
  if (wanted.is_unix()) return;
  const boost::asio::ip::udp::endpoint any_port(boost::asio::ip::make_address(wanted.tcp.host), 9);
  const int fd = ::socket(any_port.protocol().family(), SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  const bool unreachable =
      ::connect(fd, any_port.data(), static_cast<socklen_t>(any_port.size())) != 0 && errno == ENETUNREACH;
  ::close(fd);
  if (unreachable)
    throw std::runtime_error("not served: nothing of this network is up, and nobody can reach " + wanted.text);
}

void require_names(const std::vector<std::string>& hosts) {
  const auto wrong = std::find_if(hosts.begin(), hosts.end(), [](const std::string& name) {
    return name.find_first_of(":/@") != std::string::npos;
  });
  if (wrong == hosts.end()) return;
  throw std::invalid_argument(std::string(AgentWishes::hosts_variable) + ": " + *wrong +
                              ": give names without ports, such as orders or *.example.net");
}

// Says what went wrong: what the user got wrong in any case, and the rest on request.
template <class Make>
void make_or_say_why(const char* variable, bool verbose, Make make) {
  try {
    make();
  } catch (const std::invalid_argument& error) {
    say(variable, error.what());
  } catch (const std::exception& error) {
    if (verbose) say(variable, error.what());
  }
}

}  // namespace

void say(const char* variable, const std::string& what) {
  std::fprintf(stderr, "plateau: %s: %s (process %d)\n", variable, what.c_str(), static_cast<int>(::getpid()));
}

bool AgentServices::is_of_this_process() const {
  return process_ == ::getpid();
}

void AgentServices::begin() noexcept {
  const std::lock_guard lock(mutex_);
  if (!wishes_.directory.empty()) {
    make_or_say_why(AgentWishes::directory_variable, wishes_.verbose, [this] { keep_profiles(); });
  }
  if (!wishes_.address.empty()) serve(Taken::say);
}

void AgentServices::begin_later() noexcept {
  make_or_say_why(AgentWishes::address_variable, wishes_.verbose,
                  [this] { later_ = std::make_unique<ServiceThread>("plateau-later", [this] { wait_and_begin(); }); });
}

void AgentServices::end() noexcept {
  if (is_of_this_process()) stop_threads();
}

void AgentServices::wait_until_idle(std::chrono::milliseconds patience) noexcept {
  const auto deadline = std::chrono::steady_clock::now() + patience;  // from the vDSO
  while (ServiceWork::is_under_way() && std::chrono::steady_clock::now() < deadline) {
  }
}

void AgentServices::stop_threads() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  later_.reset();
  server_.reset();
  black_box_.reset();
}

int AgentServices::call_alone(const std::function<int()>& call, const std::function<bool()>& is_alone) noexcept {
  using Clock = std::chrono::steady_clock;
  const bool waits = later_ != nullptr && server_ == nullptr;
  stop_threads();
  const auto wait_for_threads = Clock::now() + patience_for_threads;
  while (!is_alone() && Clock::now() < wait_for_threads) ::sched_yield();
  const auto wait_for_the_kernel = Clock::now() + patience_for_the_kernel;
  int result = call();
  while (result != 0 && (errno == EINVAL || errno == EUSERS) && Clock::now() < wait_for_the_kernel) {
    ::sched_yield();
    result = call();
  }
  const int saved_errno = errno;
  stopping_ = false;
  if (waits) {
    begin_later();
  } else {
    begin();
  }
  errno = saved_errno;
  return result;
}

void AgentServices::keep_profiles() {
  black_box_ = std::make_unique<BlackBox>(
      BlackBoxOptions{.directory = wishes_.directory,
                      .name = std::string(program_invocation_short_name) + "-" + std::to_string(::getpid()),
                      .symbolize = false});
  if (wishes_.verbose) say(AgentWishes::directory_variable, "watching the memory limit");
}

std::unique_ptr<DebugServer> AgentServices::make_server() const {
  require_names(wishes_.hosts);
  require_network(parse_server_address(wishes_.address, wishes_.allow_remote));
  return std::make_unique<DebugServer>(DebugServerOptions{.address = wishes_.address,
                                                          .allow_remote = wishes_.allow_remote,
                                                          .host_names = wishes_.hosts,
                                                          .host_names_setting = AgentWishes::hosts_variable,
                                                          .announce_as = wishes_.program,
                                                          .private_recorder = true});
}

bool AgentServices::serve(Taken taken) {
  bool wait = false;
  make_or_say_why(AgentWishes::address_variable, wishes_.verbose, [&] {
    try {
      server_ = make_server();
    } catch (const AddressTaken& error) {
      wait = taken == Taken::wait;
      if (wait || !wishes_.verbose) return;
      const std::string holder = holder_of(error.address);
      throw std::runtime_error(error.what() + (holder.empty() ? std::string() : " by " + holder));
    }
    const std::uint16_t port = server_->port();
    if (wishes_.verbose) {
      say(AgentWishes::address_variable,
          "listening on " + (port != 0 ? "port " + std::to_string(port) : server_->address()));
    }
  });
  return !wait;
}

void AgentServices::wait_and_begin() {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point deadline = Clock::now() + patience_for_an_address;
  Clock::duration pause = first_pause;
  std::unique_lock lock(mutex_);
  bool first = true;
  while (!stopped_.wait_for(lock, pause, [this] { return stopping_; })) {
    if (std::exchange(first, false) && !wishes_.directory.empty()) {
      make_or_say_why(AgentWishes::directory_variable, wishes_.verbose, [this] { keep_profiles(); });
    }
    if (wishes_.address.empty() || serve(Clock::now() < deadline ? Taken::wait : Taken::say)) return;
    pause = std::min<Clock::duration>(2 * pause, longest_pause);
  }
}

}  // namespace plateau
