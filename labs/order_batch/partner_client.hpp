// A connection to the partner, which waits for each answer.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "allocators/system/descriptor.hpp"
#include "labs/order_batch/wire.hpp"

namespace plateau::order_batch {

// Not thread-safe.
class PartnerClient {
 public:
  PartnerClient(std::uint16_t port, std::chrono::milliseconds patience) : port_(port), patience_(patience) {}

  // Connects now instead of with the first order. Throws std::system_error.
  void connect();
  // Sends the order and waits for its answer; answers to what was asked for before are passed over. Empty when the
  // partner closed, or said nothing for as long as the patience lasts: then the connection is given up, so that a late
  // answer meets nobody. Throws std::system_error when no connection can be made at all.
  std::optional<Answer> ask(std::uint64_t number, std::string_view body);

 private:
  using Clock = std::chrono::steady_clock;
  bool send(std::uint64_t number, std::string_view body);
  std::optional<Answer> receive(Clock::time_point until);

  std::uint16_t port_;
  std::chrono::milliseconds patience_;
  Descriptor socket_;
};

// Connections that workers share, the last used first. Thread-safe.
class PartnerClients {
 public:
  // Connects all. Throws std::system_error.
  PartnerClients(std::size_t count, std::uint16_t port, std::chrono::milliseconds patience);

  // Runs `work` with a client of its own. Required: no more threads at once than there are clients.
  template <class Work>
  auto with_client(Work work) {
    const Loan loan(*this);
    return work(*loan.client);
  }

 private:
  struct Loan {
    explicit Loan(PartnerClients& from) : clients(from) {
      const std::scoped_lock lock(clients.mutex_);
      client = clients.idle_.back();
      clients.idle_.pop_back();
    }
    ~Loan() {
      const std::scoped_lock lock(clients.mutex_);
      clients.idle_.push_back(client);
    }
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    PartnerClients& clients;
    PartnerClient* client = nullptr;
  };

  std::vector<std::unique_ptr<PartnerClient>> all_;
  std::mutex mutex_;
  std::vector<PartnerClient*> idle_;
};

}  // namespace plateau::order_batch
