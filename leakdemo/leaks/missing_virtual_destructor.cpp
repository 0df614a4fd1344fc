#include <array>
#include <cstdint>
#include <memory>

#include "leakdemo/leaks/leak.hpp"

namespace plateau::leakdemo {
namespace {

using Payload = std::array<char, 4096>;

// Base and derived objects are of one size class, so that the wrong delete does no other harm than to leak.
class Message {
 public:
  virtual std::uint64_t size() const = 0;
  // The fault: no virtual destructor. Compilers warn of `delete message`, and not of unique_ptr, which does just that.

 protected:
  std::array<std::uint64_t, 4> header_{};
};

class Order final : public Message {
 public:
  [[gnu::noinline]] static std::unique_ptr<Message> parse() { return std::make_unique<Order>(); }
  std::uint64_t size() const override { return payload_->size() + header_.size(); }

 private:
  std::unique_ptr<Payload> payload_ = std::make_unique<Payload>();
};

class RepairedMessage {
 public:
  virtual ~RepairedMessage() = default;  // the repair
  virtual std::uint64_t size() const = 0;

 protected:
  std::array<std::uint64_t, 4> header_{};
};

class RepairedOrder final : public RepairedMessage {
 public:
  [[gnu::noinline]] static std::unique_ptr<RepairedMessage> parse() { return std::make_unique<RepairedOrder>(); }
  std::uint64_t size() const override { return payload_->size() + header_.size(); }

 private:
  std::unique_ptr<Payload> payload_ = std::make_unique<Payload>();
};

template <class ParsedMessage>
class Receiver final : public Service {
 public:
  void operate(std::uint64_t /*i*/) override { received_ += ParsedMessage::parse()->size(); }

 private:
  std::uint64_t received_ = 0;
};

}  // namespace

constinit const Leak missing_virtual_destructor{
    .name = "missing_virtual_destructor",
    .sentence = "messages are destroyed through a base without a virtual destructor, and their payloads stay",
    .kind = LeakKind::unreachable,
    .place = {"Order::parse"},
    .operations = 4'000,
    .bytes_per_operation = sizeof(Payload),
    .make = fault_or_repair<Receiver<Order>, Receiver<RepairedOrder>>,
};

}  // namespace plateau::leakdemo
