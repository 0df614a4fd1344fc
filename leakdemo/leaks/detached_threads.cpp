#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>
#include <thread>

#include "leakdemo/leaks/leak.hpp"

namespace plateau::leakdemo {
namespace {

constexpr std::size_t stack_bytes = 65'536;

// Builds a request on the stack, and waits for an answer, which the partner never sends.
[[gnu::noinline]] void ask_partner(std::stop_token stop) {
  [[maybe_unused]] volatile char request[stack_bytes];
  for (std::size_t i = 0; i < stack_bytes; i += 1024) request[i] = 1;
  std::mutex mutex;
  std::condition_variable_any answered;
  std::unique_lock lock(mutex);
  answered.wait(lock, stop, [] { return false; });
}

class PatientCourier final : public Service {
 public:
  // The fault: nobody can end the thread any more, and its stack stays.
  [[gnu::noinline]] void send() { std::thread(ask_partner, std::stop_token()).detach(); }
  void operate(std::uint64_t /*i*/) override { send(); }
};

class StoppedCourier final : public Service {
 public:
  // The repair: whoever asks has the thread, and takes it back when there is no answer.
  [[gnu::noinline]] void send() { std::jthread waiting(ask_partner); }
  void operate(std::uint64_t /*i*/) override { send(); }
};

}  // namespace

constinit const Leak detached_threads{
    .name = "detached_threads",
    .sentence = "detached threads wait for ever, each with its stack",
    .kind = LeakKind::outside_heap,
    .place = {"Courier::send"},
    .operations = 240,
    .bytes_per_operation = stack_bytes,
    .make = fault_or_repair<PatientCourier, StoppedCourier>,
};

}  // namespace plateau::leakdemo
