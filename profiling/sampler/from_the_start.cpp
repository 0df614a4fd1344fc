// libplateau_sampler.so: who preloads it wants profiles of the whole run.
#include "profiling/sampler/mapped_ranges.hpp"
#include "profiling/sampler/recorder.hpp"

const bool plateau::sampler::records_from_the_start = true;

bool plateau::sampler::wants_mappings() noexcept {
  return true;
}
