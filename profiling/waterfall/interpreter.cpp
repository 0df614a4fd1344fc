#include "profiling/waterfall/interpreter.hpp"

#include <link.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <system_error>

namespace plateau {
namespace {

struct KnownFile {
  std::string_view beginning;
  std::string_view interpreter;
};

constexpr std::array known_files{
    KnownFile{"python3", "python3"}, KnownFile{"libpython3", "python3"}, KnownFile{"node", "node"},
    KnownFile{"libnode.so", "node"}, KnownFile{"ruby", "ruby"},          KnownFile{"libruby", "ruby"},
    KnownFile{"php", "php"},         KnownFile{"java", "java"},          KnownFile{"libjvm.so", "java"},
    KnownFile{"mono", "mono"},       KnownFile{"dotnet", "dotnet"},      KnownFile{"libcoreclr.so", "dotnet"},
    KnownFile{"luajit", "luajit"},
};

std::string file_of(const dl_phdr_info& object) {
  std::string_view path = object.dlpi_name;
  if (!path.empty()) return std::string(path.substr(path.rfind('/') + 1));
  std::error_code error;  // the program itself comes without a name
  return std::filesystem::read_symlink("/proc/thread-self/exe", error).filename().string();
}

int look_at(dl_phdr_info* object, std::size_t /*size*/, void* to) {
  auto& found = *static_cast<Interpreter*>(to);
  const std::string file = file_of(*object);
  const auto known = std::find_if(known_files.begin(), known_files.end(),
                                  [&](const KnownFile& one) { return file.starts_with(one.beginning); });
  if (known == known_files.end() || (!found.name.empty() && found.name != known->interpreter)) return 0;
  found.name = known->interpreter;
  found.file = file;
  for (std::size_t i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = object->dlpi_phdr[i];
    if (header.p_type != PT_LOAD || (header.p_flags & PF_X) == 0) continue;
    const std::uint64_t start = object->dlpi_addr + header.p_vaddr;
    found.code.emplace_back(start, start + header.p_memsz);
  }
  return 0;
}

// The 11 of "python3.11" and "libpython3.11.so.1.0"; 0: none is said.
int minor_version(std::string_view file) {
  constexpr std::string_view before = "python3.";
  const auto at = file.find(before);
  int minor = 0;
  if (at == std::string_view::npos) return minor;
  const std::string_view digits = file.substr(at + before.size());
  std::from_chars(digits.data(), digits.data() + digits.size(), minor);
  return minor;
}

std::string advice_for_python(int minor) {
  constexpr int first_with_trampolines = 12;
  const std::string advice = "PYTHONMALLOC=malloc (restart) gives its blocks stacks, of CPython's functions in C";
  if (minor >= first_with_trampolines) return advice + "; with PYTHONPERFSUPPORT=1 also the innermost of Python's own";
  if (minor == 0) return advice;
  return advice + "; Python's own functions are not to be had of 3." + std::to_string(minor) +
         " (3.12 has PYTHONPERFSUPPORT=1)";
}

}  // namespace

bool Interpreter::has(std::uint64_t address) const {
  return std::any_of(code.begin(), code.end(),
                     [address](const auto& range) { return address >= range.first && address < range.second; });
}

std::optional<Interpreter> own_interpreter() {
  Interpreter found;
  ::dl_iterate_phdr(look_at, &found);
  return found.name.empty() ? std::nullopt : std::optional(std::move(found));
}

std::string heap_name_of(std::string_view interpreter) {
  return interpreter == "python3" ? "CPython's arenas" : std::string(interpreter) + "'s own heap";
}

std::string advice_for(std::string_view interpreter, std::string_view file) {
  if (interpreter == "python3") return advice_for_python(minor_version(file));
  if (interpreter == "node") return "--max-old-space-size bounds it, --inspect shows its objects";
  if (interpreter == "java") return "-Xmx bounds it, jcmd PID GC.class_histogram shows its objects";
  return "the interpreted program holds it; its own tools show objects";
}

}  // namespace plateau
