#include "profiling/stacks/interrupted_stack.hpp"

#include <dlfcn.h>
#include <ucontext.h>
#include <unwind.h>

namespace plateau {
namespace {

// Both functions must be of one library, since each library has a context of its own.
struct Unwinder {
  decltype(&_Unwind_Backtrace) backtrace = _Unwind_Backtrace;
  decltype(&_Unwind_GetIP) ip = _Unwind_GetIP;
};
constinit Unwinder unwinder;

std::uintptr_t interrupted_pc(const void* ucontext) {
  const auto& machine = static_cast<const ucontext_t*>(ucontext)->uc_mcontext;
#if defined(__x86_64__)
  return static_cast<std::uintptr_t>(machine.gregs[REG_RIP]);
#elif defined(__aarch64__)
  return static_cast<std::uintptr_t>(machine.pc);
#else
#error "say where this machine keeps the program counter of an interrupted thread"
#endif
}

struct Walk {
  std::uintptr_t pc;
  InterruptedFrames& frames;
  std::size_t depth = 0;
};

_Unwind_Reason_Code take_frame(_Unwind_Context* context, void* argument) {
  auto& walk = *static_cast<Walk*>(argument);
  const std::uintptr_t pc = unwinder.ip(context);
  if (pc == 0) return _URC_END_OF_STACK;
  if (walk.depth == 0 && pc != walk.pc) return _URC_NO_REASON;  // the handler's own frames
  walk.frames[walk.depth++] = pc;
  return walk.depth == walk.frames.size() ? _URC_END_OF_STACK : _URC_NO_REASON;
}

_Unwind_Reason_Code stop_at_once(_Unwind_Context* /*context*/, void* /*argument*/) {
  return _URC_END_OF_STACK;
}

}  // namespace

void prepare_interrupted_stacks() {
  if (void* const libgcc = ::dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_LOCAL)) {
    const Unwinder found{reinterpret_cast<decltype(&_Unwind_Backtrace)>(::dlsym(libgcc, "_Unwind_Backtrace")),
                         reinterpret_cast<decltype(&_Unwind_GetIP)>(::dlsym(libgcc, "_Unwind_GetIP"))};
    if (found.backtrace != nullptr && found.ip != nullptr) unwinder = found;
  }
  unwinder.backtrace(stop_at_once, nullptr);  // what it sets up the first time
}

std::span<const std::uintptr_t> interrupted_stack(InterruptedFrames& frames, const void* ucontext) {
  Walk walk{interrupted_pc(ucontext), frames};
  unwinder.backtrace(take_frame, &walk);
  if (walk.depth == 0) frames[walk.depth++] = walk.pc;
  return std::span(frames).first(walk.depth);
}

}  // namespace plateau
