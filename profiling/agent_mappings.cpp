#include "profiling/agent_mappings.hpp"

#include <link.h>
#include <stdlib.h>

#include <filesystem>
#include <string_view>
#include <system_error>

#include "allocators/heap.hpp"
#include "profiling/agent_services.hpp"
#include "profiling/sampler/mapped_ranges.hpp"

namespace plateau {
namespace {

bool has_a_value(const char* variable) noexcept {
  const char* const value = ::secure_getenv(variable);
  return value != nullptr && *value != '\0';
}

// That library sees stacks of threads, too, and has the mappings to itself, wherever in the list it is.
bool has_the_samplers_library() noexcept {
  const auto is_it = [](dl_phdr_info* object, std::size_t /*size*/, void* /*nothing*/) {
    const std::string_view name = object->dlpi_name;
    return name.substr(name.rfind('/') + 1).starts_with("libplateau_sampler") ? 1 : 0;
  };
  return ::dl_iterate_phdr(is_it, nullptr) != 0;
}

}  // namespace

bool sampler::wants_mappings() noexcept {
  const bool serves = has_a_value(AgentWishes::address_variable) || has_a_value(AgentWishes::directory_variable);
  return serves && !has_the_samplers_library();
}

bool allocator_is_in_the_program() {
  const Heap& heap = Heap::process();
  if (heap.kind() == AllocatorKind::unknown) return false;
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  return !error && heap.library() == program;
}

}  // namespace plateau
