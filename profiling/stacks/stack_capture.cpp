#include "profiling/stacks/stack_capture.hpp"

#include <unistd.h>
#include <unwind.h>

#include <algorithm>

#include "profiling/stacks/frame_rules.hpp"

// The outer end of the main thread's stack; the dynamic linker's.
extern "C" [[gnu::weak]] void* __libc_stack_end;

namespace plateau {
namespace {

constexpr std::size_t word = sizeof(std::uintptr_t);
// A larger one is taken for a step to another stack.
constexpr std::uintptr_t largest_frame = 64 * 1024;

constinit FrameRules rules;
constinit NumberTable<16 * 1024> stacks_of_the_tables;  // by hash: those that the unwind tables have given

// Of the calling thread's own stack: what was part of it, and so can be read as long as the thread lives.
struct OwnStack {
  std::uintptr_t lowest = 0;
  std::uintptr_t outermost = 0;

  bool holds(std::uintptr_t address) const { return address >= lowest && address < outermost; }
};
constinit thread_local OwnStack own_stack;

// Whether the stack that ends there is that of the thread: just beyond it is what the C library keeps of the thread, or
// the arguments of main. The smallest stack that a thread can have is larger than what is looked at.
bool is_end_of_own_stack(std::uintptr_t outermost) {
  constexpr std::uintptr_t farthest = 12 * 1024;
  const auto ends_before = [outermost](const void* end) {
    const auto address = reinterpret_cast<std::uintptr_t>(end);
    return outermost <= address && address - outermost < farthest;
  };
  if (::gettid() == ::getpid()) return &__libc_stack_end != nullptr && ends_before(__libc_stack_end);
  return ends_before(__builtin_thread_pointer());
}

// Not instrumented: a way that is no longer right may lead to where the sanitizer lets nobody read.
__attribute__((no_sanitize("address", "thread", "undefined"))) std::uintptr_t word_at(std::uintptr_t address) {
  return *reinterpret_cast<const std::uintptr_t*>(address);
}

std::uint64_t mixed(std::uint64_t hash, std::uintptr_t address) {
  hash = (hash ^ address) * 0x9e3779b97f4a7c15;  // 2^64 / golden ratio
  return hash ^ hash >> 32;
}

// The frames from `caller` on, and a hash of all that were walked.
class Collector {
 public:
  Collector(CapturedFrames& frames, const void* caller)
      : frames_(frames), caller_(reinterpret_cast<std::uintptr_t>(caller)) {}

  // Whether there is room for more.
  bool add(std::uintptr_t address) {
    hash_ = mixed(hash_, address);
    has_begun_ = has_begun_ || address == caller_;
    if (has_begun_ && depth_ < frames_.size()) frames_[depth_++] = address;
    return depth_ < frames_.size();
  }

  std::uint64_t hash() const { return hash_ | 1; }
  std::span<const std::uintptr_t> frames() const { return std::span(frames_).first(depth_); }

 private:
  CapturedFrames& frames_;
  const std::uintptr_t caller_;
  std::size_t depth_ = 0;
  bool has_begun_ = false;
  std::uint64_t hash_ = 0;
};

std::uintptr_t callers_sp(const StackFrame& frame, const FrameRule& rule) {
  return (rule.from == FrameRule::From::fp ? frame.fp : frame.sp) + rule.to_caller * word;
}

// The frame of the caller, if it is not beyond `outermost`; a pc of 0 if it is.
StackFrame caller_of(const StackFrame& frame, const FrameRule& rule, std::uintptr_t outermost) {
  const std::uintptr_t sp = callers_sp(frame, rule);
  if (sp % word != 0 || sp <= frame.sp || sp > outermost) return {};
  const std::uintptr_t saved = sp - rule.saved_fp * word;
  if (saved < frame.sp) return {};
  return {word_at(sp - word), sp, rule.saved_fp == 0 ? frame.fp : word_at(saved)};
}

// Whether the walk came to its end, on a stack that the unwind tables have given before.
bool walk_as_before(StackFrame frame, Collector& collector) {
  const OwnStack stack = own_stack;
  if (!stack.holds(frame.sp)) return false;
  while (collector.add(frame.pc)) {
    const FrameRule rule = rules.find(frame.pc);
    if (rule.from == FrameRule::From::outermost && frame.sp == stack.outermost) break;
    if (rule.from != FrameRule::From::sp && rule.from != FrameRule::From::fp) return false;
    frame = caller_of(frame, rule, stack.outermost);
    if (frame.pc == 0) return false;
  }
  return stacks_of_the_tables.find(collector.hash()) != 0;
}

// How the unwinder went from a frame to its caller's, on the same stack; unknown for what no rule can say.
FrameRule rule_between(const StackFrame& frame, const StackFrame& caller) {
  if (word_at(caller.sp - word) != caller.pc) return {};
  if (caller.sp == frame.fp + 2 * word && word_at(frame.fp) == caller.fp) return {FrameRule::From::fp, 2, 2};
  // GCC, where it aligns a frame for its variables, copies the return address to where the frame then begins: the frame
  // has another size each time.
  const bool has_frame_pointer = frame.fp >= frame.sp && frame.fp < caller.sp - 2 * word;
  if (has_frame_pointer && word_at(frame.fp + word) == caller.pc) return {};
  const std::uintptr_t words = (caller.sp - frame.sp) / word;
  FrameRule rule{FrameRule::From::sp, static_cast<std::uint32_t>(words), 0};
  if (caller.fp == frame.fp) return rule;
  constexpr std::uintptr_t saved_registers = 8;  // at most, with the return address: rbp is among them
  for (std::uintptr_t at = 2; at <= std::min(words, saved_registers); ++at) {
    if (word_at(caller.sp - at * word) != caller.fp) continue;
    rule.saved_fp = static_cast<std::uint16_t>(at);
    return rule;
  }
  return {};
}

// A walk by the unwind tables, which learns from the frame `from` on.
struct Walk {
  StackFrame from;
  Collector collector;
  StackFrame last;
  bool learns = false;
  bool stays = true;  // on one stack
  bool is_full = false;
};

// A signal's handler may have a stack of its own, and a coroutine has; nothing is known of what is between them.
bool is_same_stack(const StackFrame& frame, const StackFrame& caller) {
  return caller.sp > frame.sp && caller.sp - frame.sp <= largest_frame;
}

void learn(const StackFrame& frame, const StackFrame& caller) {
  const FrameRule known = rules.find(frame.pc);
  // A rule that says the same of this frame stays: what it says of others has been seen, too.
  if ((known.from == FrameRule::From::sp || known.from == FrameRule::From::fp) &&
      callers_sp(frame, known) == caller.sp) {
    const StackFrame found = caller_of(frame, known, caller.sp);
    if (found.pc == caller.pc && found.fp == caller.fp) return;
  }
  const FrameRule rule = rule_between(frame, caller);
  if (rule != known) rules.set(frame.pc, rule);
}

_Unwind_Reason_Code take_frame(_Unwind_Context* context, void* argument) {
  auto& walk = *static_cast<Walk*>(argument);
  int was_interrupted = 0;  // by a signal, and has called nothing
  StackFrame frame{_Unwind_GetIPInfo(context, &was_interrupted), 0, 0};
  if (frame.pc == 0) return _URC_END_OF_STACK;
#if defined(__x86_64__)
  constexpr int rbp = 6;  // DWARF's number
  frame.sp = _Unwind_GetCFA(context);
  frame.fp = static_cast<std::uintptr_t>(_Unwind_GetGR(context, rbp));
  if (walk.learns) {
    walk.stays = walk.stays && was_interrupted == 0 && is_same_stack(walk.last, frame);
    if (walk.stays) learn(walk.last, frame);
  }
  walk.learns = walk.learns || (frame.pc == walk.from.pc && frame.sp == walk.from.sp);
  if (!walk.learns) return _URC_NO_REASON;  // the capture's own frames
#endif
  walk.last = frame;
  walk.is_full = !walk.collector.add(frame.pc);
  return walk.is_full ? _URC_END_OF_STACK : _URC_NO_REASON;
}

void remember(const Walk& walk) {
  if (!walk.learns || !walk.stays) return;
  if (!walk.is_full) {
    if (rules.find(walk.last.pc).from != FrameRule::From::outermost)
      rules.set(walk.last.pc, {FrameRule::From::outermost, 0, 0});
    if (own_stack.outermost == walk.last.sp) {
      own_stack.lowest = std::min(own_stack.lowest, walk.from.sp);
    } else if (is_end_of_own_stack(walk.last.sp)) {
      own_stack = {walk.from.sp, walk.last.sp};
    }
  }
  stacks_of_the_tables.set(walk.collector.hash(), 1);
}

}  // namespace

[[gnu::noinline]] std::span<const std::uintptr_t> capture_stack(CapturedFrames& frames, const void* caller) {
  StackFrame from;
#if defined(__x86_64__)
  const auto frame_pointer = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  from = {word_at(frame_pointer + word), frame_pointer + 2 * word, word_at(frame_pointer)};
  Collector as_before(frames, caller);
  if (walk_as_before(from, as_before) && !as_before.frames().empty()) return as_before.frames();
#endif
  Walk walk{from, Collector(frames, caller), {}};
  _Unwind_Backtrace(take_frame, &walk);
  remember(walk);
  if (!walk.collector.frames().empty()) return walk.collector.frames();
  frames[0] = reinterpret_cast<std::uintptr_t>(caller);  // code without unwind tables: the caller is known at least
  return std::span(frames).first(1);
}

}  // namespace plateau
