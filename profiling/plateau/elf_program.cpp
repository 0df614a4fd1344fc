#include "profiling/plateau/elf_program.hpp"

#include <fcntl.h>
#include <gelf.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <sstream>
#include <string_view>

#include "allocators/system/descriptor.hpp"

namespace plateau {
namespace {

#if defined(__x86_64__)
constexpr GElf_Half machine_of_this = EM_X86_64;
#elif defined(__aarch64__)
constexpr GElf_Half machine_of_this = EM_AARCH64;
#else
constexpr GElf_Half machine_of_this = EM_NONE;
#endif

std::string loader_in(Elf* elf) {
  std::size_t count = 0;
  if (elf_getphdrnum(elf, &count) != 0) return {};
  for (std::size_t i = 0; i < count; ++i) {
    GElf_Phdr header;
    if (gelf_getphdr(elf, static_cast<int>(i), &header) == nullptr || header.p_type != PT_INTERP) continue;
    std::size_t bytes = 0;
    const char* const file = elf_rawfile(elf, &bytes);
    if (file == nullptr || header.p_offset > bytes || header.p_filesz > bytes - header.p_offset) return {};
    const std::string_view text(file + header.p_offset, header.p_filesz);
    return std::string(text.substr(0, text.find('\0')));
  }
  return {};
}

// Functions that tell an allocator, as profiling/heap_backends/allocator_inside.cpp looks for them at run time.
void note_function(std::string_view name, ElfProgram& program) {
  constexpr std::string_view jemalloc_mark = "mallctlbymib";
  if (name.ends_with(jemalloc_mark)) {
    const std::string prefix(name.substr(0, name.size() - jemalloc_mark.size()));
    if (program.inside == AllocatorKind::jemalloc && prefix.size() >= program.prefix.size()) return;
    program.inside = AllocatorKind::jemalloc;
    program.prefix = prefix;
  } else if (program.inside == AllocatorKind::unknown && name == "MallocExtension_GetNumericProperty") {
    program.inside = AllocatorKind::tcmalloc;
  } else if (program.inside == AllocatorKind::unknown && name == "mi_version") {
    program.inside = AllocatorKind::mimalloc;
  }
}

void read_functions(Elf* elf, Elf_Scn* section, ElfProgram& program) {
  GElf_Shdr header;
  if (gelf_getshdr(section, &header) == nullptr || header.sh_entsize == 0) return;
  if (header.sh_type != SHT_SYMTAB && header.sh_type != SHT_DYNSYM) return;
  Elf_Data* const symbols = elf_getdata(section, nullptr);
  for (std::size_t i = 0; symbols != nullptr && i < header.sh_size / header.sh_entsize; ++i) {
    GElf_Sym symbol;
    if (gelf_getsym(symbols, static_cast<int>(i), &symbol) == nullptr) return;
    if (GELF_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF) continue;
    if (const char* const name = elf_strptr(elf, header.sh_link, symbol.st_name)) note_function(name, program);
  }
}

std::string output_of(const std::string& loader, const std::string& path) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return {};
  const Descriptor read_end(ends[0]);
  Descriptor write_end(ends[1]);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
  std::array<std::string, 3> words{loader, "--list", path};
  std::array<char*, 4> arguments{words[0].data(), words[1].data(), words[2].data(), nullptr};
  pid_t child = -1;
  const int error = ::posix_spawn(&child, loader.c_str(), &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  write_end.reset();
  std::string text;
  if (error != 0) return text;
  std::array<char, 4096> buffer;
  for (ssize_t count = 0; (count = ::read(read_end.get(), buffer.data(), buffer.size())) > 0;)
    text.append(buffer.data(), static_cast<std::size_t>(count));
  ::waitpid(child, nullptr, 0);
  return text;
}

}  // namespace

std::optional<ElfProgram> read_elf_program(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file || elf_version(EV_CURRENT) == EV_NONE) return std::nullopt;
  const std::unique_ptr<Elf, int (*)(Elf*)> elf(elf_begin(file.get(), ELF_C_READ_MMAP, nullptr), elf_end);
  GElf_Ehdr head;
  if (elf == nullptr || elf_kind(elf.get()) != ELF_K_ELF || gelf_getehdr(elf.get(), &head) == nullptr)
    return std::nullopt;
  ElfProgram program;
  program.is_of_this_machine = head.e_machine == machine_of_this && gelf_getclass(elf.get()) == ELFCLASS64;
  program.loader = loader_in(elf.get());
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf.get(), section)) != nullptr;)
    read_functions(elf.get(), section, program);
  return program;
}

std::vector<std::string> libraries_of(const std::string& loader, const std::string& path) {
  std::vector<std::string> files;
  std::istringstream lines(output_of(loader, path));
  for (std::string line; std::getline(lines, line);) {  // "\tlibz.so.1 => /lib/libz.so.1 (0x…)", "\t/lib/ld.so (0x…)"
    const auto slash = line.find('/', line.find("=> ") == std::string::npos ? 0 : line.find("=> "));
    const auto end = line.rfind(" (0x");
    if (slash != std::string::npos && end != std::string::npos && slash < end)
      files.push_back(line.substr(slash, end - slash));
  }
  return files;
}

}  // namespace plateau
