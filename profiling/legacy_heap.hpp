// Heap profiles in the text formats that allocators write.
#pragma once

#include <iosfwd>

namespace plateau {

// Rewrites a jemalloc dump (`heap_v2/<period>`, with its per-thread rows) as the `heap profile: … @ heap_v2/<period>`
// text of gperftools, which pprof reads and unsamples by itself; counts are passed on as they are. A dump that is
// already in gperftools' form is copied. One pass, one line in memory at a time. Throws std::runtime_error with the
// line number when the input is neither or is cut short.
void convert_to_gperftools_text(std::istream& dump, std::ostream& text);

}  // namespace plateau
