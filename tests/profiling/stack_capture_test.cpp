// Protects stacks that are walked from memory: they are what the unwind tables say, whatever kinds of frames there are,
// on the first walk and on every one after it.
#include "profiling/stacks/stack_capture.hpp"

#include <alloca.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
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

#include <boost/container/static_vector.hpp>

namespace plateau {
namespace {

using Stack = boost::container::static_vector<std::uintptr_t, 1024>;  // handlers of signals must not allocate

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

using Call = void (*)(void* self, int depth);
constexpr std::size_t numbers = 8;

// Calls call(self, depth) with a number in the frame pointer's register, which is one like any other. One function for
// each, 64 bytes apart, since only the first number at each place teaches anything.
#if defined(__x86_64__)
asm(R"(
    .text
    .balign 64
calls_with_number:
    .rept 8
    .balign 64
    .cfi_startproc
    push %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset %rbp, -16
    mov %rdi, %rbp
    mov %rsi, %rax
    mov %rdx, %rdi
    mov %ecx, %esi
    call *%rax
    pop %rbp
    .cfi_def_cfa_offset 8
    .cfi_restore %rbp
    ret
    .cfi_endproc
    .endr
)");
extern "C" const std::array<char, 64 * numbers> calls_with_number;

void call_with(std::uintptr_t number, std::size_t place, Call call, void* self, int depth) {
  using Function = void(std::uintptr_t number, Call call, void* self, int depth);
  reinterpret_cast<Function*>(const_cast<char*>(calls_with_number.data() + 64 * place))(number, call, self, depth);
}
#else
void call_with(std::uintptr_t, std::size_t, Call call, void* self, int depth) {
  call(self, depth);
}
#endif

// Random calls, of a depth, through frames of all kinds; every leaf is captured and compared.
class Calls {
 public:
  explicit Calls(unsigned seed) : random_(seed) {}

  [[gnu::noinline]] void go(int depth) {
    if (depth == 0) return compare();
    constexpr std::array kinds{&Calls::with_arguments_on_the_stack,
                               &Calls::plain,
                               &Calls::of_any_size,
                               &Calls::without_frame_pointer,
                               &Calls::aligned,
                               &Calls::through_c,
                               &Calls::through_function};
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

  // The ends of memory, and what may be taken for a frame's address.
  [[gnu::noinline]] void without_frame_pointer(int depth) {
    const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    const std::array<std::uintptr_t, numbers> in_register{0,    1,         UINTPTR_MAX, UINTPTR_MAX - 15,
                                                          here, here - 16, here - 8,    here + 1000};
    const std::size_t place = random_() % numbers;
    const Call call = [](void* self, int deeper) { static_cast<Calls*>(self)->go(deeper); };
    call_with(in_register[place], place, call, this, depth);
    use(1);
  }

  // The padding before it depends on where the caller's frame ends.
  [[gnu::noinline]] void aligned(int depth) {
    alignas(64) std::array<volatile char, 64> line{};
    go(depth);
    use(static_cast<unsigned>(line[0]));
  }

  // GCC finds the arguments by a register of its own.
  [[gnu::noinline]] void with_arguments_on_the_stack(int depth) {
    if (after_ % 2 == 0) return aligned_with_arguments(depth, 1, 2, 3, 4, 5, 6, 7, after_);
    auto* const bytes = static_cast<volatile char*>(alloca(random_() % 500 + 1));
    bytes[0] = 1;
    aligned_with_arguments(depth, 1, 2, 3, 4, 5, 6, 7, after_);
    use(static_cast<unsigned>(bytes[0]));
  }

  [[gnu::noinline]] void aligned_with_arguments(int depth, int a, int b, int c, int d, int e, int f, int g,
                                                unsigned h) {
    alignas(64) std::array<volatile char, 64> line{};
    line[random_() % 64] = 1;
    go(depth);
    use(static_cast<unsigned>(a + b + c + d + e + f + g + line[0]) + h);
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

TEST(StackCapture, IsWhatTheUnwindTablesSayWhateverTheFramesAre) {
  EXPECT_GE(run_rounds(1), rounds);
}

TEST(StackCapture, OfManyThreadsAtOnce) {
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 4; ++i) threads.emplace_back([i] { EXPECT_GE(run_rounds(10 + i), rounds); });
  for (std::thread& thread : threads) thread.join();
}

// The end of such a stack is near its thread's own, and near what lies below the stack. A child's main thread is on it
// after a fork.
TEST(StackCapture, OfAThreadWithASmallStackAndOfAForkFromIt) {
  pthread_attr_t attributes;
  ASSERT_EQ(::pthread_attr_init(&attributes), 0);
  ASSERT_EQ(::pthread_attr_setstacksize(&attributes, 128 * 1024), 0);
  const auto run = [](void*) -> void* {
    Calls calls(8);
    for (int depth = 0; depth < 100; ++depth) calls.go(depth % 5);
    EXPECT_GE(leaves_in_a_coroutine(), 5);
    const pid_t child = ::fork();
    if (child == 0) {
      for (int depth = 0; depth < 100; ++depth) calls.go(depth % 5);
      ::_exit(::testing::Test::HasFailure() ? 1 : 0);
    }
    int status = -1;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    return nullptr;
  };
  pthread_t thread;
  ASSERT_EQ(::pthread_create(&thread, &attributes, run, nullptr), 0);
  ASSERT_EQ(::pthread_join(thread, nullptr), 0);
  ::pthread_attr_destroy(&attributes);
}

TEST(StackCapture, OfDeepStacksHasTheInnermostFrames) {
  Calls calls(3);
  for (int i = 0; i < 20; ++i) calls.go(static_cast<int>(deepest_capture) + i);
  EXPECT_GE(calls.leaves(), 20);
}

TEST(StackCapture, OfACoroutineThatHasAStackOfItsOwn) {
  Calls between(5);
  for (int i = 0; i < 20; ++i) {
    EXPECT_GE(leaves_in_a_coroutine(), 5);
    between.go(3);
  }
}

Calls* in_handler = nullptr;

class OfASignal : public ::testing::TestWithParam<int> {};

TEST_P(OfASignal, HandlerIsWhatTheUnwindTablesSay) {
  std::vector<char> memory(256 * 1024);
  const stack_t own{.ss_sp = memory.data(), .ss_flags = 0, .ss_size = memory.size()};
  stack_t before{};
  ASSERT_EQ(::sigaltstack(&own, &before), 0);
  struct sigaction action {};
  action.sa_handler = [](int) { in_handler->go(3); };
  action.sa_flags = GetParam();
  struct sigaction action_before {};
  ASSERT_EQ(::sigaction(SIGUSR1, &action, &action_before), 0);
  Calls calls(6);
  in_handler = &calls;
  Calls outside(7);
  for (int i = 0; i < 100; ++i) {
    ::raise(SIGUSR1);
    outside.go(4);
  }
  EXPECT_GE(calls.leaves(), 100);
  EXPECT_GE(leaves_in_a_coroutine(), 5) << "between the stacks that the thread had";
  EXPECT_EQ(::sigaction(SIGUSR1, &action_before, nullptr), 0);
  EXPECT_EQ(::sigaltstack(&before, nullptr), 0);
}

INSTANTIATE_TEST_SUITE_P(StackCapture, OfASignal, ::testing::Values(0, SA_ONSTACK),
                         [](const auto& test) { return test.param == 0 ? "SameStack" : "StackOfItsOwn"; });

#if defined(__x86_64__) && defined(__OPTIMIZE__)
template <class Capture>
[[gnu::noinline]] double seconds_of(int depth, const Capture& capture) {
  if (depth > 0) {
    volatile double seconds = seconds_of(depth - 1, capture);
    return seconds;
  }
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i) capture();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// The fastest of some rounds of each, which take turns.
void expect_faster_than_the_tables() {
  double repeated = 1;
  double unwound = 1;
  for (int round = 0; round < 20; ++round) {
    repeated = std::min(repeated, seconds_of(20, [] {
                          CapturedFrames frames;
                          EXPECT_GT(capture_stack(frames, __builtin_return_address(0)).size(), 20U);
                        }));
    unwound = std::min(unwound, seconds_of(20, [] {
                         std::size_t depth = 0;
                         const auto count = [](_Unwind_Context*, void* out) {
                           ++*static_cast<std::size_t*>(out);
                           return _URC_NO_REASON;
                         };
                         _Unwind_Backtrace(count, &depth);
                         EXPECT_GT(depth, 20U);
                       }));
  }
  EXPECT_LT(3 * repeated, unwound);
}

TEST(StackCapture, OfAStackThatWasThereBeforeIsFaster) {
  expect_faster_than_the_tables();
  std::thread(expect_faster_than_the_tables).join();
}
#endif

}  // namespace
}  // namespace plateau
