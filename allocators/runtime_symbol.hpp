// Functions looked up in what is loaded, at run time: a weak reference would bind to what was linked.
#pragma once

#include <dlfcn.h>

namespace plateau {

// The function `name` as this process sees it, or null when nothing loaded has it. The caller knows its type.
template <class Function>
Function* runtime_symbol(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
}

}  // namespace plateau
