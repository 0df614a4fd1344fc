#include "profiling/stack_capture.hpp"

#include <unwind.h>

namespace plateau {
namespace {

struct Walk {
  std::span<std::uintptr_t> frames;
  std::uintptr_t caller;
  std::size_t depth = 0;
  bool begun = false;
};

_Unwind_Reason_Code take_frame(_Unwind_Context* context, void* argument) {
  auto& walk = *static_cast<Walk*>(argument);
  const std::uintptr_t address = _Unwind_GetIP(context);
  walk.begun = walk.begun || address == walk.caller;
  if (!walk.begun) return _URC_NO_REASON;  // the sampler's own frames
  if (address == 0 || walk.depth == walk.frames.size()) return _URC_END_OF_STACK;
  walk.frames[walk.depth++] = address;
  return _URC_NO_REASON;
}

}  // namespace

std::span<const std::uintptr_t> capture_stack(CapturedFrames& frames, const void* caller) {
  Walk walk{frames, reinterpret_cast<std::uintptr_t>(caller)};
  _Unwind_Backtrace(take_frame, &walk);
  if (walk.depth == 0) frames[walk.depth++] = walk.caller;  // code without unwind tables: the caller is known at least
  return std::span(frames).first(walk.depth);
}

}  // namespace plateau
