#include "profiling/host/address_holder.hpp"

#include <sys/types.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>

#include "profiling/host/announced_processes.hpp"

namespace plateau {
namespace {

namespace fs = std::filesystem;

std::string text_of(const std::string& program, pid_t process) {
  return program + " (process " + std::to_string(process) + ")";
}

bool is_at(const std::string& announced, const ServerAddress& address) {
  if (address.is_unix()) return announced == "unix:" + address.path;
  return !announced.starts_with("unix:") && announced.ends_with(":" + std::to_string(address.tcp.port));
}

// A line of /proc/net/tcp, of a socket that listens at the port: see proc(5).
std::optional<std::string> inode_in_tcp_line(const std::string& line, unsigned port) {
  std::istringstream words(line);
  std::string number, local, remote, state, skipped, inode;
  words >> number >> local >> remote >> state;
  for (int i = 0; i < 5; ++i) words >> skipped;
  words >> inode;
  constexpr const char* listens = "0A";
  if (!words || state != listens) return std::nullopt;
  const auto colon = local.rfind(':');
  unsigned local_port = 0;
  std::from_chars(local.data() + colon + 1, local.data() + local.size(), local_port, 16);
  return local_port == port ? std::optional(inode) : std::nullopt;
}

// A line of /proc/net/unix, of a socket with that path.
std::optional<std::string> inode_in_unix_line(const std::string& line, const std::string& path) {
  if (!line.ends_with(" " + path)) return std::nullopt;
  std::istringstream words(line);
  std::string skipped, inode;
  for (int i = 0; i < 6; ++i) words >> skipped;
  words >> inode;
  return words ? std::optional(inode) : std::nullopt;
}

template <class InodeInLine>
std::optional<std::string> inode_in(const char* file, InodeInLine inode_in_line) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    if (auto inode = inode_in_line(line)) return inode;
  }
  return std::nullopt;
}

std::optional<std::string> inode_at(const ServerAddress& address) {
  if (address.is_unix()) {
    return inode_in("/proc/thread-self/net/unix",
                    [&](const std::string& line) { return inode_in_unix_line(line, address.path); });
  }
  const auto of_port = [&](const std::string& line) { return inode_in_tcp_line(line, address.tcp.port); };
  auto inode = inode_in("/proc/thread-self/net/tcp", of_port);
  return inode ? inode : inode_in("/proc/thread-self/net/tcp6", of_port);
}

bool has_open(const fs::path& process, const std::string& socket) {
  std::error_code error;
  for (fs::directory_iterator at(process / "fd", error), none; !error && at != none; at.increment(error)) {
    std::error_code unreadable;
    if (fs::read_symlink(at->path(), unreadable) == socket) return true;
  }
  return false;
}

}  // namespace

std::string holder_of(const ServerAddress& address) {
  for (const AnnouncedProcess& one : announced_processes()) {
    if (is_at(one.address, address)) return text_of(one.program, one.process);
  }
  const auto inode = inode_at(address);
  if (!inode) return {};
  const std::string socket = "socket:[" + *inode + "]";
  std::error_code error;
  for (fs::directory_iterator at("/proc", error), none; !error && at != none; at.increment(error)) {
    const std::string name = at->path().filename();
    pid_t process = 0;
    const auto [end, wrong] = std::from_chars(name.data(), name.data() + name.size(), process);
    if (wrong != std::errc() || end != name.data() + name.size() || !has_open(at->path(), socket)) continue;
    std::string program;
    std::getline(std::ifstream(at->path() / "comm"), program);
    return text_of(program, process);
  }
  return {};
}

}  // namespace plateau
