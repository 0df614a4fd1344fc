#include <array>
#include <cstdint>
#include <deque>

#include "leakdemo/leaks/leak.hpp"

namespace plateau::leakdemo {
namespace {

struct AuditRecord {
  std::uint64_t order = 0;
  std::array<char, 1016> text{};
};

constexpr std::size_t records_per_operation = 4;

class UntrimmedAuditLog final : public Service {
 public:
  [[gnu::noinline]] void append(std::uint64_t order) { records_.push_back({.order = order, .text = {}}); }
  // The fault: what is sent is skipped from now on, and stays.
  void send() { sent_ = records_.size(); }
  void operate(std::uint64_t i) override {
    for (std::size_t n = 0; n < records_per_operation; ++n) append(i);
    send();
  }

 private:
  std::deque<AuditRecord> records_;
  std::size_t sent_ = 0;
};

class TrimmedAuditLog final : public Service {
 public:
  [[gnu::noinline]] void append(std::uint64_t order) { records_.push_back({.order = order, .text = {}}); }
  // The repair: what is sent goes.
  void send() { records_.clear(); }
  void operate(std::uint64_t i) override {
    for (std::size_t n = 0; n < records_per_operation; ++n) append(i);
    send();
  }

 private:
  std::deque<AuditRecord> records_;
};

}  // namespace

constinit const Leak untrimmed_container{
    .name = "untrimmed_container",
    .sentence = "an audit log skips what it has sent, and never erases it",
    .kind = LeakKind::reachable,
    .place = {"AuditLog::append"},
    .operations = 4'000,
    .bytes_per_operation = records_per_operation * sizeof(AuditRecord),
    .make = fault_or_repair<UntrimmedAuditLog, TrimmedAuditLog>,
};

}  // namespace plateau::leakdemo
