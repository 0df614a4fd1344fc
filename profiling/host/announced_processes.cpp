#include "profiling/host/announced_processes.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <optional>
#include <system_error>

namespace plateau {
namespace {

namespace fs = std::filesystem;

bool is_own_folder(const std::string& folder, mode_t forbidden) {
  struct stat status {};
  return ::lstat(folder.c_str(), &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == ::geteuid() &&
         (status.st_mode & forbidden) == 0;
}

const std::string& runtime_folder() {
  static const std::string folder = [] {
    const char* const value = ::secure_getenv("XDG_RUNTIME_DIR");
    return std::string(value != nullptr ? value : "");
  }();
  return folder;
}

std::vector<std::string> possible_folders() {
  const std::string user = std::to_string(::geteuid());
  std::vector<std::string> folders;
  // After `sudo` that folder is another user's, and nothing of ours must be left there.
  const std::string& runtime = runtime_folder();
  if (runtime.starts_with('/') && is_own_folder(runtime, S_IWGRP | S_IWOTH)) folders.push_back(runtime + "/plateau");
  const std::string of_session = "/run/user/" + user;
  if (is_own_folder(of_session, S_IWGRP | S_IWOTH)) folders.push_back(of_session + "/plateau");
  if (::geteuid() == 0) folders.emplace_back("/run/plateau");
  folders.push_back("/tmp/plateau-" + user);
  return folders;
}

bool is_private(const std::string& folder) {
  return is_own_folder(folder, S_IRWXG | S_IRWXO);
}

// Numbers of processes mean nothing outside their namespace. 0: there is no /proc.
ino_t process_namespace() {
  struct stat status {};
  return ::stat("/proc/self/ns/pid", &status) == 0 ? status.st_ino : 0;
}

std::string file_name(pid_t process) {
  return std::to_string(process) + "-" + std::to_string(process_namespace());
}

std::string one_line(std::string_view text) {
  std::string line(text);
  std::replace_if(
      line.begin(), line.end(), [](unsigned char byte) { return byte < ' '; }, '?');
  return line;
}

// The one who announced holds a lock for as long as it lives and has the same program: in every namespace, and without
// /proc.
bool is_held(const Descriptor& file) {
  return ::flock(file.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

bool is_same_file(const Descriptor& file, const fs::path& path) {
  struct stat opened {};
  struct stat named {};
  return ::fstat(file.get(), &opened) == 0 && ::lstat(path.c_str(), &named) == 0 && opened.st_dev == named.st_dev &&
         opened.st_ino == named.st_ino;
}

// The number of the process that the file is of; nothing for other files.
std::optional<pid_t> process_of(const std::string& name) {
  pid_t process = 0;
  const char* const end = name.data() + name.size();
  const auto [dash, error] = std::from_chars(name.data(), end, process);
  if (error != std::errc() || process <= 0 || dash == end || *dash != '-') return std::nullopt;
  return std::all_of(dash + 1, end, [](char digit) { return digit >= '0' && digit <= '9'; }) ? std::optional(process)
                                                                                             : std::nullopt;
}

void read_file(const fs::path& path, pid_t process, std::vector<AnnouncedProcess>& processes) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return;
  if (!is_held(file)) {
    if (is_same_file(file, path)) ::unlink(path.c_str());
    return;
  }
  if (path.filename() != file_name(process)) return;  // of a namespace in which that number is another process
  std::array<char, 4096> buffer;
  const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
  std::string_view text(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  const auto line = [&text] {
    const std::string_view one = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    return std::string(one);
  };
  AnnouncedProcess& read = processes.emplace_back();
  read.process = process;
  read.address = line();
  read.program = line();
}

void read_folder(const std::string& folder, std::vector<AnnouncedProcess>& processes) {
  std::error_code error;
  for (fs::directory_iterator at(folder, error), none; !error && at != none; at.increment(error)) {
    if (const auto process = process_of(at->path().filename())) read_file(at->path(), *process, processes);
  }
}

// Readers find all of it, or nothing. Returns the file, locked.
Descriptor write_file(const std::string& path, const std::string& text) {
  const std::string unfinished = path + ".new";
  ::unlink(unfinished.c_str());
  Descriptor file(::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!file) return file;
  const auto bytes = static_cast<ssize_t>(text.size());
  const bool written = ::flock(file.get(), LOCK_EX | LOCK_NB) == 0 &&
                       ::write(file.get(), text.data(), text.size()) == bytes &&
                       ::rename(unfinished.c_str(), path.c_str()) == 0;
  if (!written) {
    ::unlink(unfinished.c_str());
    file.reset();
  }
  return file;
}

}  // namespace

Announcement::Announcement(std::string_view program, std::string_view address) : process_(::getpid()) {
  announced_processes();  // removes what others left
  const std::string text = one_line(address) + "\n" + one_line(program) + "\n";
  for (const std::string& folder : possible_folders()) {
    ::mkdir(folder.c_str(), S_IRWXU);
    if (!is_private(folder)) continue;
    path_ = folder + "/" + file_name(process_);
    file_ = write_file(path_, text);
    if (file_) return;
  }
}

void find_announcement_folders() {
  runtime_folder();
}

Announcement::~Announcement() {
  if (file_ && process_ == ::getpid() && is_same_file(file_, path_)) ::unlink(path_.c_str());
}

std::vector<AnnouncedProcess> announced_processes() {
  std::vector<AnnouncedProcess> processes;
  for (const std::string& folder : possible_folders()) {
    if (is_private(folder)) read_folder(folder, processes);
  }
  std::sort(processes.begin(), processes.end(),
            [](const auto& left, const auto& right) { return left.process < right.process; });
  return processes;
}

}  // namespace plateau
