// Whether the agent may tell the program's mappings from the allocator's.
#pragma once

namespace plateau {

// Whether malloc, as far as it is known, is served by the executable itself: then the allocator's mappings cannot be
// told from the program's.
bool allocator_is_in_the_program();

}  // namespace plateau
