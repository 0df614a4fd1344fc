// An order on its way through the batch, and what comes of it.
#pragma once

#include <cstdint>
#include <memory_resource>
#include <string>
#include <vector>

namespace plateau::order_batch {

using OrderNumber = std::uint64_t;  // position in the batch, from 0

struct Item {
  using allocator_type = std::pmr::polymorphic_allocator<>;
  explicit Item(const allocator_type& memory) : sku(memory), name(memory) {}
  Item(Item&& other, const allocator_type& memory)
      : sku(std::move(other.sku), memory),
        name(std::move(other.name), memory),
        quantity(other.quantity),
        cents(other.cents) {}
  Item(Item&&) noexcept = default;
  Item& operator=(Item&&) = default;
  Item(const Item&) = delete;
  Item& operator=(const Item&) = delete;
  ~Item() = default;

  std::pmr::string sku;
  std::pmr::string name;
  std::uint32_t quantity = 1;
  std::uint64_t cents = 0;  // of one
};

// All that belongs to it is from the memory that it was made with.
struct Order {
  explicit Order(std::pmr::memory_resource* memory) : customer(memory), items(memory) {}

  OrderNumber number = 0;
  std::pmr::string customer;
  std::pmr::vector<Item> items;
};

// What is recorded of an order.
struct Record {
  OrderNumber number = 0;
  std::uint64_t cents = 0;    // with discount and tax
  std::uint64_t receipt = 0;  // the partner's
};

}  // namespace plateau::order_batch
