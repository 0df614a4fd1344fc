// Agents whose harm is known, or that do none: what the test of the test preloads. Each is this file with another HARM.
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

constexpr std::string_view harm = HARM;

void say(const char* text) {
  static_cast<void>(!::write(STDERR_FILENO, text, std::strlen(text)));
}

void keep_a_descriptor() {
  int ends[2];
  static_cast<void>(!::pipe(ends));
}

// The timer outlives exec, and its handler does not.
void tick_for_the_processor_time() {
  ::signal(SIGPROF, [](int) {});
  const itimerval every{{0, 100000}, {0, 100000}};
  ::setitimer(ITIMER_PROF, &every, nullptr);
}

void take_memory() {
  constexpr std::size_t bytes = std::size_t{24} << 20;
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory != MAP_FAILED) std::memset(memory, 1, bytes);
}

[[gnu::constructor]] void start() {
  if (harm == "descriptor") keep_a_descriptor();
  if (harm == "disposition") ::signal(SIGPROF, SIG_IGN);
  if (harm == "hang") ::pause();
  if (harm == "line") std::atexit([] { say("a word of the agent's\n"); });
  if (harm == "memory") take_memory();
  if (harm == "status") std::atexit([] { ::_exit(1); });
  if (harm == "timer") tick_for_the_processor_time();
}

}  // namespace
