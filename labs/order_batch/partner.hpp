// The partner: takes orders over TCP on a loopback address, and answers each after a time that is drawn for it. It
// refuses what comes faster than its contract says, and, when told to, misbehaves.
#pragma once

#include <cstdint>
#include <memory>

namespace plateau::order_batch {

struct PartnerOptions {
  double mean_ms = 9;  // log-normal
  double sigma = 0.25;
  double orders_per_second = 0;  // of the contract; 0: any number
  std::int64_t burst = 0;
  std::uint64_t seed = 1;
  // Share of answers that are a fault: refused, given twice, given late, cut in the middle, or never given. An order
  // meets at most `most_faults` of them.
  double fault_share = 0;
  unsigned most_faults = 3;
  double late_ms = 400;
};

struct PartnerCounts {
  std::uint64_t accepted = 0;  // orders, each once
  std::uint64_t refused = 0;   // by the contract
  std::uint64_t faults = 0;
};

// One thread serves all connections: run()'s.
class Partner {
 public:
  // Listens on a free port of 127.0.0.1. Throws boost::system::system_error.
  explicit Partner(const PartnerOptions& options);
  ~Partner();
  Partner(const Partner&) = delete;
  Partner& operator=(const Partner&) = delete;

  std::uint16_t port() const;
  // Serves until stop().
  void run();
  // Thread-safe.
  void stop();
  // When run() has returned.
  PartnerCounts counts() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace plateau::order_batch
