// Which allocator an arm runs on: a name or a shared object, the environment that makes it so, and whether it can be
// had.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace plateau::harness {

struct AllocatorChoice {
  std::string name;     // "jemalloc", "tcmalloc", "mimalloc", "glibc", or the path as given
  std::string library;  // what to preload; empty for glibc
};

// Runs this program once more to see. Throws UsageError, in one line that names the Debian package to install, when the
// library cannot be loaded here.
AllocatorChoice choose_allocator(const std::string& name);

// Command by which a lab, run again with a library preloaded, says whether it is (exit status 0).
inline constexpr const char* probe_command = "probe";
bool is_preloaded(const std::string& library);

// The same allocator with our sampler in front. Throws UsageError when the sampler is not beside this program.
AllocatorChoice with_sampler(AllocatorChoice choice);

// The same for heap profiles on an allocator that has no profiler of its own (glibc, mimalloc); unchanged where it has.
AllocatorChoice with_heap_profiler(AllocatorChoice choice);

// Settings for one arm. Times are already compressed.
struct AllocatorSettings {
  std::string malloc_conf;               // jemalloc's MALLOC_CONF, complete but for the user's own, which is appended
  std::vector<std::string> environment;  // further NAME=value
  // Whether the sampler is in front of any allocator, also of one with a profiler: for how blocks end, which no
  // allocator knows.
  bool watches_block_ends = false;
};

// This process's environment with the allocator preloaded and set, as execve takes it. What the user has set wins:
// jemalloc reads the user's MALLOC_CONF after ours, and a variable of another allocator that is set already is left
// alone.
std::vector<std::string> environment_for(const AllocatorChoice& choice, const AllocatorSettings& settings);

// Those of the variables that an allocator or a heap profiler reads, for the record.
std::vector<std::string> allocator_variables(const std::vector<std::string>& environment);

}  // namespace plateau::harness
