// libplateau_sampler.so: who preloads it wants profiles of the whole run.
#include "profiling/sampler/recorder.hpp"

const bool plateau::sampler::records_from_the_start = true;
