// Functions looked up in what is loaded, at run time: a weak reference would bind to what was linked.
#pragma once

#include <dlfcn.h>

#include "allocators/unexported_symbols.hpp"

namespace plateau {

// The function `name` as this process sees it, or as add_unexported_symbols() told; null when there is none, and
// dlerror() says nothing of that to the program. The caller knows its type.
template <class Function>
Function* runtime_symbol(const char* name) {
  void* found = dlsym(RTLD_DEFAULT, name);
  if (found == nullptr) {
    dlerror();
    found = unexported_symbol(name);
  }
  return reinterpret_cast<Function*>(found);
}

}  // namespace plateau
