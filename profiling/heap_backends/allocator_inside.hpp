// An allocator that is linked into the executable: static, with a prefix, not exported.
#pragma once

#include <string>

namespace plateau {

// Looks for the control functions of jemalloc (with any prefix), gperftools' tcmalloc and mimalloc in the symbol tables
// of the executable, and has everybody find them (unexported_symbols.hpp). Called once at most, before anybody asks for
// the allocator; allocates. Cost: a pass over the names of the executable's symbols, which are read from its file.
void find_allocator_inside();

// One line for the user when the executable has a jemalloc whose control functions find_allocator_inside() could not
// find, since it was stripped; empty otherwise. The first call reads all of the executable's constant data.
const std::string& jemalloc_out_of_reach();

}  // namespace plateau
