// A signal between the threads of this library and all others, which the program neither sees nor can take.
#pragma once

#include <signal.h>

namespace plateau::hidden_signal {

// glibc keeps this one to itself (SIGSETXID): its sigaction() refuses it, and none of its functions blocks it, waits
// for it or hands it to a signalfd. So the program's signals, masks and SIGPROF before all stay as they are whatever is
// done here. What glibc sends by it, when ids change, goes on to glibc's own handler.
//
// ThreadSanitizer must be between a program and its signals, so it gets SIGPROF there.
#ifdef __SANITIZE_THREAD__
inline constexpr int number = SIGPROF;
#else
inline constexpr int number = 33;
#endif

// Runs in the interrupted thread, on the stack for signals if it has one, with every other signal blocked: must be
// async-signal-safe. Keeps errno by itself.
using Handler = void (*)(const siginfo_t& info, void* context);

// The value that timers must be made with, and queued signals sent with: others are left to whoever was there before,
// which may be this library once more, in another version.
void* value() noexcept;

// Gives `handler` the signals of timers, and those that are sent with the code SI_QUEUE, from then on and for good.
// Does nothing but two system calls when it is in place already; glibc may have set its own again. Throws
// std::system_error when the kernel refuses. Thread-safe.
void handle_timers(Handler handler);
void handle_queued(Handler handler);

}  // namespace plateau::hidden_signal
