#include "profiling/plateau/program_file.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <system_error>

#include "profiling/plateau/elf_program.hpp"
#include "profiling/plateau/subcommand.hpp"

namespace plateau {
namespace {

constexpr int not_found = 127;
constexpr int not_executable = 126;
constexpr int most_scripts = 4;  // the kernel's own limit of nested #! lines

std::string reason(int error) {
  return std::generic_category().message(error);
}

// As execvp() does.
std::string in_path(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* const value = ::secure_getenv("PATH");
  std::istringstream folders(value != nullptr ? value : "/bin:/usr/bin");
  std::string forbidden;
  for (std::string folder; std::getline(folders, folder, ':');) {
    std::string file = (folder.empty() ? "." : folder) + "/" + name;
    struct stat status {};
    if (::stat(file.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    if (::access(file.c_str(), X_OK) == 0) return file;
    forbidden = file;
  }
  if (!forbidden.empty()) return forbidden;
  throw CommandError(not_found, fmt::format("{}: no such program in PATH", name));
}

void require_executable(const std::string& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) throw CommandError(not_found, fmt::format("{}: {}", file, reason(errno)));
  if (S_ISDIR(status.st_mode)) throw CommandError(not_executable, fmt::format("{}: is a folder", file));
  if (::access(file.c_str(), X_OK) != 0)
    throw CommandError(not_executable, fmt::format("{}: {}; chmod +x, or name its interpreter", file, reason(errno)));
}

// The words behind `#!`; empty for another file.
std::vector<std::string> interpreter_line(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::string line;
  std::array<char, 2> mark{};
  if (!in.read(mark.data(), mark.size()) || mark != std::array{'#', '!'} || !std::getline(in, line)) return {};
  std::istringstream words(line);
  std::vector<std::string> result;
  for (std::string word; words >> word;) result.push_back(word);
  return result;
}

// `env -S VAR=1 python3 -u`: python3.
std::string interpreter_in(const std::vector<std::string>& line) {
  if (!line.front().ends_with("/env")) return line.front();
  const auto program = std::find_if(line.begin() + 1, line.end(), [](const std::string& word) {
    return !word.starts_with('-') && word.find('=') == std::string::npos;
  });
  return program == line.end() ? line.front() : in_path(*program);
}

// The loader takes no preloaded libraries from the environment then (ld.so(8), secure-execution mode).
bool is_privileged(const std::string& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return false;
  const bool other_user = (status.st_mode & S_ISUID) != 0 && status.st_uid != ::getuid();
  const bool other_group = (status.st_mode & S_ISGID) != 0 && status.st_gid != ::getgid();
  const bool has_capabilities = ::getuid() != 0 && ::getxattr(file.c_str(), "security.capability", nullptr, 0) > 0;
  return other_user || other_group || has_capabilities;
}

OutOfReach reach_of(const ElfProgram& elf, const std::string& file) {
  if (!elf.is_of_this_machine) return OutOfReach::other_machine;
  if (elf.loader.empty()) return OutOfReach::is_static;
  if (elf.loader.find("/ld-linux") == std::string::npos) return OutOfReach::other_libc;
  return is_privileged(file) ? OutOfReach::privileged : OutOfReach::no;
}

void set_allocator(const ElfProgram& elf, ProgramFile& found) {
  for (const std::string& library : libraries_of(elf.loader, found.program)) {
    const std::string name = library.substr(library.rfind('/') + 1);
    for (const auto& [beginning, kind] : {std::pair{"libjemalloc", AllocatorKind::jemalloc},
                                          {"libtcmalloc", AllocatorKind::tcmalloc},
                                          {"libmimalloc", AllocatorKind::mimalloc}}) {
      if (!name.starts_with(beginning)) continue;
      found.allocator = kind;
      found.library = library;
      return;
    }
  }
  if (elf.inside == AllocatorKind::unknown) return;
  found.allocator = elf.inside;
  if (elf.inside == AllocatorKind::jemalloc) found.prefix = elf.prefix;
}

}  // namespace

bool is_shell(std::string_view name) {
  constexpr std::array shells{"sh", "ash", "bash", "dash", "ksh", "mksh", "zsh", "busybox", "env", "timeout", "nice"};
  return std::find(shells.begin(), shells.end(), name) != shells.end();
}

ProgramFile find_program(const std::string& name) {
  ProgramFile found;
  found.path = in_path(name);
  found.program = found.path;
  for (int i = 0; i < most_scripts; ++i) {
    require_executable(found.program);
    const std::vector<std::string> line = interpreter_line(found.program);
    if (line.empty()) break;
    found.program = interpreter_in(line);
  }
  const std::optional<ElfProgram> elf = read_elf_program(found.program);
  if (!elf) {
    found.out_of_reach = OutOfReach::no_elf;
    return found;
  }
  found.out_of_reach = reach_of(*elf, found.program);
  if (found.out_of_reach == OutOfReach::no) set_allocator(*elf, found);
  return found;
}

}  // namespace plateau
