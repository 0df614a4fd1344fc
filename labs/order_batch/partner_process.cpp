#include "labs/order_batch/partner_process.hpp"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <stdexcept>
#include <system_error>
#include <thread>

#include <boost/json.hpp>

namespace plateau::order_batch {
namespace json = boost::json;
namespace {

json::object to_json(const PartnerOptions& options) {
  return {{"mean_ms", options.mean_ms}, {"sigma", options.sigma}, {"orders_per_second", options.orders_per_second},
          {"burst", options.burst},     {"seed", options.seed},   {"fault_share", options.fault_share}};
}

PartnerOptions partner_options(const json::object& from) {
  PartnerOptions options;
  options.mean_ms = from.at("mean_ms").to_number<double>();
  options.sigma = from.at("sigma").to_number<double>();
  options.orders_per_second = from.at("orders_per_second").to_number<double>();
  options.burst = from.at("burst").to_number<std::int64_t>();
  options.seed = from.at("seed").to_number<std::uint64_t>();
  options.fault_share = from.at("fault_share").to_number<double>();
  return options;
}

}  // namespace

PartnerProcess::PartnerProcess(const PartnerOptions& options) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
    throw std::system_error(errno, std::generic_category(), "cannot make a socket pair");
  control_.reset(pair[0]);
  const Descriptor theirs(pair[1]);
  std::string name = "order_batch";
  std::string command = partner_command;
  std::string argument = json::serialize(to_json(options));
  const std::array<char*, 4> arguments{name.data(), command.data(), argument.data(), nullptr};
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDIN_FILENO);
  const int error = ::posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::system_error(error, std::generic_category(), "cannot start the partner");
  if (::recv(control_.get(), &port_, sizeof port_, MSG_WAITALL) != sizeof port_) {
    ::shutdown(control_.get(), SHUT_RDWR);
    ::waitpid(pid_, nullptr, 0);
    throw std::runtime_error("the partner did not start");
  }
}

PartnerProcess::~PartnerProcess() {
  control_.reset();
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

int run_partner_process(const std::string& options) {
  // Ctrl-C reaches the whole terminal group; the lab decides, and the arm may have orders to drain.
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGTERM, SIG_IGN);
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  try {
    Partner partner(partner_options(json::parse(options).as_object()));
    const std::uint16_t port = partner.port();
    if (::send(STDIN_FILENO, &port, sizeof port, MSG_NOSIGNAL) != sizeof port) return 1;
    std::thread until_the_end([&partner] {
      char byte;
      while (::read(STDIN_FILENO, &byte, 1) > 0 || errno == EINTR) {
      }
      partner.stop();
    });
    partner.run();
    until_the_end.join();
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "order_batch partner: {}\n", error.what());
    return 1;
  }
}

}  // namespace plateau::order_batch
