#include "profiling/heap_profile.hpp"

#include <cmath>
#include <stdexcept>
#include <string>
#include <string_view>

namespace plateau {
namespace {

// pprof takes off what lies below the outermost match, and compares names without their parameters.
constexpr const char* allocation_functions =
    "((_rjem|_rjem_je|je|tc|mi|__libc)_)?(malloc|calloc|realloc|reallocarray|memalign|posix_memalign|aligned_alloc|"
    "valloc|pvalloc)"
    "|mallocx|rallocx|xallocx"
    "|(_rjem_)?je_(malloc_default|prof_tctx_create)"  // of a jemalloc inside the program
    "|(tc_|mi_)new(array)?(_nothrow|_aligned|_n)*"
    "|operator new(\\[\\])?"
    "|\\[lib(jemalloc|tcmalloc|mimalloc)[^/]*\\]"
    "|plateau::sampler::.*"
    "|tcmalloc::.*|MallocHook::.*|.*do_malloc.*"
    "|(std|__gnu_cxx|std::pmr)::(__)?(new_|malloc_|polymorphic_)?allocator(_traits)?(<.*>)?::allocate"
    "|.*::_M_allocate";

std::int64_t rounded(double value) {
  constexpr double limit = 9.2e18;  // below the largest std::int64_t
  if (!(std::abs(value) < limit)) throw std::overflow_error("counts too large to unsample");
  return std::llround(value);
}

}  // namespace

Profile heap_profile(std::int64_t period) {
  Profile profile(
      {{"alloc_objects", "count"}, {"alloc_space", "bytes"}, {"inuse_objects", "count"}, {"inuse_space", "bytes"}});
  profile.period = period;
  profile.default_type = "inuse_space";
  profile.drop_frames = allocation_functions;
  return profile;
}

void name_allocator_code(std::vector<Mapping>& mappings) {
  for (Mapping& mapping : mappings) {
    const std::string_view name = std::string_view(mapping.file).substr(mapping.file.rfind('/') + 1);
    for (const std::string_view allocator : {"libjemalloc", "libtcmalloc", "libmimalloc"}) {
      if (mapping.code_name.empty() && name.starts_with(allocator)) mapping.code_name = '[' + std::string(name) + ']';
    }
  }
}

HeapCount unsampled(HeapCount sampled, std::int64_t period) {
  if (period <= 1 || sampled.objects == 0 || sampled.bytes == 0) return sampled;
  if ((sampled.objects < 0) != (sampled.bytes < 0)) return sampled;  // of no size
  const auto objects = static_cast<double>(sampled.objects);
  const auto bytes = static_cast<double>(sampled.bytes);
  const double scale = -1.0 / std::expm1(-(bytes / objects) / static_cast<double>(period));
  return {rounded(objects * scale), rounded(bytes * scale)};
}

}  // namespace plateau
