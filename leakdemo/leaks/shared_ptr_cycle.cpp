#include <array>
#include <cstdint>
#include <memory>

#include "leakdemo/leaks/leak.hpp"

namespace plateau::leakdemo {
namespace {

// The fault: order and invoice own each other, and so neither is ever destroyed.
struct Invoice;
struct Order {
  std::shared_ptr<Invoice> invoice;
  std::array<char, 2032> lines{};
};
struct Invoice {
  std::shared_ptr<Order> order;
  std::array<char, 2032> lines{};
};

// The repair: one of the two only looks.
struct ViewedInvoice;
struct OwningOrder {
  std::shared_ptr<ViewedInvoice> invoice;
  std::array<char, 2032> lines{};
};
struct ViewedInvoice {
  std::weak_ptr<OwningOrder> order;
  std::array<char, 2032> lines{};
};

template <class OrderType, class InvoiceType>
class Billing final : public Service {
 public:
  [[gnu::noinline]] void bill() {
    const auto order = std::make_shared<OrderType>();
    order->invoice = std::make_shared<InvoiceType>();
    order->invoice->order = order;
  }
  void operate(std::uint64_t /*i*/) override { bill(); }
};

}  // namespace

constinit const Leak shared_ptr_cycle{
    .name = "shared_ptr_cycle",
    .sentence = "an order and its invoice hold each other by shared_ptr",
    .kind = LeakKind::unreachable,
    .place = {"Billing<", "Billing::bill"},
    .operations = 4'000,
    .bytes_per_operation = sizeof(Order) + sizeof(Invoice) + 32,  // two control blocks
    .make = fault_or_repair<Billing<Order, Invoice>, Billing<OwningOrder, ViewedInvoice>>,
};

}  // namespace plateau::leakdemo
