// Functions looked up in what is loaded, at run time: a weak reference would bind to what was linked.
#pragma once

#include <dlfcn.h>

namespace plateau {

// The function `name` as this process sees it, or null when nothing loaded has it; dlerror() says nothing of that to
// the program. The caller knows its type.
template <class Function>
Function* runtime_symbol(const char* name) {
  void* const found = dlsym(RTLD_DEFAULT, name);
  if (found == nullptr) dlerror();
  return reinterpret_cast<Function*>(found);
}

}  // namespace plateau
