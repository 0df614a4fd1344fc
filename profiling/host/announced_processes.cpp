#include "profiling/host/announced_processes.hpp"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>

#include "allocators/system/descriptor.hpp"
#include "allocators/system/process_start.hpp"

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

std::string path_in_proc(pid_t process, const char* file) {
  return "/proc/" + std::to_string(process) + "/" + file;
}

std::string executable_of(pid_t process) {
  std::error_code error;
  return fs::read_symlink(path_in_proc(process, "exe"), error).string();
}

std::string one_line(std::string_view text) {
  std::string line(text);
  std::replace_if(
      line.begin(), line.end(), [](unsigned char byte) { return byte < ' '; }, '?');
  return line;
}

struct Entry {
  std::uint64_t start_ticks = 0;
  std::string executable;
  AnnouncedProcess announced;
};

std::optional<Entry> read_entry(const fs::path& file, pid_t process) {
  std::ifstream text(file);
  Entry entry{.executable = {}, .announced = {.process = process, .program = {}, .address = {}}};
  text >> entry.start_ticks;
  text.ignore();
  std::getline(text, entry.announced.address);
  std::getline(text, entry.announced.program);
  std::getline(text, entry.executable);
  return text.fail() ? std::nullopt : std::optional(std::move(entry));
}

// A process that has another program now says nothing of the one before.
bool is_still_there(const Entry& entry) {
  const pid_t process = entry.announced.process;
  const auto start = process_start_ticks_in(path_in_proc(process, "stat").c_str());
  if (!start) return ::kill(process, 0) == 0 || errno != ESRCH;
  if (*start != entry.start_ticks) return false;
  const std::string executable = executable_of(process);
  return executable.empty() || executable == entry.executable;
}

// The number of the process that the file is of; nothing for other files, and those of other namespaces.
std::optional<pid_t> process_of(const std::string& name) {
  pid_t process = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), process);
  if (error != std::errc() || process <= 0 || name != file_name(process)) return std::nullopt;
  return process;
}

void read_folder(const std::string& folder, std::vector<AnnouncedProcess>& processes) {
  std::error_code error;
  for (fs::directory_iterator at(folder, error), none; !error && at != none; at.increment(error)) {
    const auto process = process_of(at->path().filename());
    if (!process) continue;
    auto entry = read_entry(at->path(), *process);
    if (entry && is_still_there(*entry)) {
      processes.push_back(std::move(entry->announced));
    } else {
      ::unlink(at->path().c_str());
    }
  }
}

// Readers find all of it, or nothing.
bool write_entry(const std::string& file, const std::string& text) {
  const std::string unfinished = file + ".new";
  ::unlink(unfinished.c_str());
  const Descriptor made(::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!made) return false;
  const auto bytes = static_cast<ssize_t>(text.size());
  if (::write(made.get(), text.data(), text.size()) == bytes && ::rename(unfinished.c_str(), file.c_str()) == 0) {
    return true;
  }
  ::unlink(unfinished.c_str());
  return false;
}

}  // namespace

Announcement::Announcement(std::string_view program, std::string_view address) : process_(::getpid()) {
  const std::string stat = path_in_proc(process_, "stat");
  const std::string text = std::to_string(process_start_ticks_in(stat.c_str()).value_or(0)) + "\n" + one_line(address) +
                           "\n" + one_line(program) + "\n" + one_line(executable_of(process_)) + "\n";
  for (const std::string& folder : possible_folders()) {
    ::mkdir(folder.c_str(), S_IRWXU);
    if (!is_private(folder)) continue;
    const std::string file = folder + "/" + file_name(process_);
    if (!write_entry(file, text)) continue;
    file_ = file;
    return;
  }
}

void find_announcement_folders() {
  runtime_folder();
}

Announcement::~Announcement() {
  if (!file_.empty() && process_ == ::getpid()) ::unlink(file_.c_str());
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
