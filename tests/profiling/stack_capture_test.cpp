// Protects stacks that are walked from memory: they are what the unwind tables say, whatever kinds of frames there are,
// on the first walk and on every one after it.
#include "profiling/stack_capture.hpp"

#include <alloca.h>
#include <gtest/gtest.h>
#include <ucontext.h>
#include <unwind.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <random>
#include <thread>
#include <vector>

namespace plateau {
namespace {

using Stack = std::vector<std::uintptr_t>;

// What the unwind tables say, from the frame that returns to `caller` outwards.
Stack by_the_tables(const void* caller) {
  Stack stack;
  const auto take = [](_Unwind_Context* context, void* out) {
    static_cast<Stack*>(out)->push_back(_Unwind_GetIP(context));
    return _URC_NO_REASON;
  };
  _Unwind_Backtrace(take, &stack);
  stack.erase(stack.begin(), std::find(stack.begin(), stack.end(), reinterpret_cast<std::uintptr_t>(caller)));
  if (!stack.empty() && stack.back() == 0) stack.pop_back();
  stack.resize(std::min(stack.size(), deepest_capture));
  return stack;
}

// Random calls, of a depth, through frames of all kinds; every leaf is captured and compared.
class Calls {
 public:
  explicit Calls(unsigned seed) : random_(seed) {}

  [[gnu::noinline]] void go(int depth) {
    if (depth == 0) return compare();
    constexpr std::array kinds{&Calls::plain,   &Calls::of_any_size, &Calls::without_frame_pointer,
                               &Calls::aligned, &Calls::through_c,   &Calls::through_function};
    (this->*kinds[random_() % kinds.size()])(depth - 1);
  }

  int leaves() const { return leaves_; }

 private:
  // A call is not the last thing that a function does.
  void use(unsigned value) { after_ = after_ + value; }

  [[gnu::noinline]] void compare() {
    const void* const caller = __builtin_return_address(0);
    CapturedFrames frames;
    const auto captured = capture_stack(frames, caller);
    ASSERT_EQ(Stack(captured.begin(), captured.end()), by_the_tables(caller)) << "leaf " << leaves_;
    ++leaves_;
  }

  [[gnu::noinline]] void plain(int depth) {
    go(depth);
    use(1);
  }

  [[gnu::noinline]] void of_any_size(int depth) {
    auto* const bytes = static_cast<volatile char*>(alloca(random_() % 500 + 1));
    bytes[0] = 1;
    go(depth);
    use(static_cast<unsigned>(bytes[0]));
  }

  // Its frame pointer's register is one like any other.
  [[gnu::noinline, gnu::optimize("omit-frame-pointer")]] void without_frame_pointer(int depth) {
    const unsigned a = after_ * 3;
    const unsigned b = after_ * 5;
    const unsigned c = after_ * 7;
    const unsigned d = after_ * 11;
    const unsigned e = after_ * 13;
    const unsigned f = after_ * 17;
    go(depth);
    use(a ^ b ^ c ^ d ^ e ^ f);
  }

  // The padding before it depends on where the caller's frame ends.
  [[gnu::noinline]] void aligned(int depth) {
    alignas(64) std::array<volatile char, 64> line{};
    go(depth);
    use(static_cast<unsigned>(line[0]));
  }

  // The C library's own frames have no frame pointers.
  [[gnu::noinline]] void through_c(int depth) {
    static thread_local Calls* self = nullptr;
    static thread_local int deeper = 0;
    self = this;
    deeper = depth;
    std::array<int, 2> two{2, 1};
    std::qsort(two.data(), two.size(), sizeof(int), [](const void* a, const void* b) {
      self->go(deeper);
      return *static_cast<const int*>(a) - *static_cast<const int*>(b);
    });
    use(static_cast<unsigned>(two[0]));
  }

  [[gnu::noinline]] void through_function(int depth) {
    const std::function<void(int)> next = [this](int rest) { go(rest); };
    next(depth);
    use(1);
  }

  std::mt19937 random_;
  int leaves_ = 0;
  volatile unsigned after_ = 1;
};

constexpr int rounds = 3000;

int run_rounds(unsigned seed) {
  Calls calls(seed);
  std::mt19937 depths(seed + 1);
  for (int i = 0; i < rounds && !::testing::Test::HasFatalFailure(); ++i) calls.go(static_cast<int>(depths() % 6));
  return calls.leaves();
}

TEST(StackCapture, IsWhatTheUnwindTablesSayWhateverTheFramesAre) {
  EXPECT_GE(run_rounds(1), rounds);
}

TEST(StackCapture, OfManyThreadsAtOnce) {
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 4; ++i) threads.emplace_back([i] { EXPECT_GE(run_rounds(10 + i), rounds); });
  for (std::thread& thread : threads) thread.join();
}

TEST(StackCapture, OfDeepStacksHasTheInnermostFrames) {
  Calls calls(3);
  for (int i = 0; i < 20; ++i) calls.go(static_cast<int>(deepest_capture) + i);
  EXPECT_GE(calls.leaves(), 20);
}

// A stack that the C library knows nothing of, in memory that goes away with it.
int leaves_in_a_coroutine() {
  static ucontext_t outside;
  static int leaves = 0;
  leaves = 0;
  std::vector<char> stack(256 * 1024);
  ucontext_t coroutine;
  EXPECT_EQ(::getcontext(&coroutine), 0);
  coroutine.uc_stack.ss_sp = stack.data();
  coroutine.uc_stack.ss_size = stack.size();
  coroutine.uc_link = &outside;
  const auto run = [] {
    Calls calls(4);
    for (int depth = 0; depth < 5; ++depth) calls.go(depth);
    leaves = calls.leaves();
  };
  ::makecontext(&coroutine, run, 0);
  EXPECT_EQ(::swapcontext(&outside, &coroutine), 0);
  return leaves;
}

TEST(StackCapture, OfACoroutineThatHasAStackOfItsOwn) {
  Calls between(5);
  for (int i = 0; i < 20; ++i) {
    EXPECT_GE(leaves_in_a_coroutine(), 5);
    between.go(3);
  }
}

template <class Capture>
[[gnu::noinline]] double seconds_of(int depth, const Capture& capture) {
  if (depth > 0) {
    volatile double seconds = seconds_of(depth - 1, capture);
    return seconds;
  }
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 2000; ++i) capture();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

#if defined(__x86_64__) && defined(__OPTIMIZE__)
TEST(StackCapture, OfAStackThatWasThereBeforeIsFaster) {
  const double repeated = seconds_of(20, [] {
    CapturedFrames frames;
    EXPECT_GT(capture_stack(frames, __builtin_return_address(0)).size(), 20U);
  });
  const double unwound = seconds_of(20, [] {
    std::size_t depth = 0;
    const auto count = [](_Unwind_Context*, void* out) {
      ++*static_cast<std::size_t*>(out);
      return _URC_NO_REASON;
    };
    _Unwind_Backtrace(count, &depth);
    EXPECT_GT(depth, 20U);
  });
  EXPECT_LT(3 * repeated, unwound);
}
#endif

}  // namespace
}  // namespace plateau
