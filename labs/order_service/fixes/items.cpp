#include "labs/order_service/fixes/items.hpp"

#include <stdexcept>

namespace plateau::order_service {
namespace {

Item build_item(const OrderLine& line, const Store& store, std::pmr::memory_resource* memory) {
  const Product* const product = store.find_product(line.sku);
  if (product == nullptr) throw std::invalid_argument("order line with an unknown sku");
  if (line.unit_price_cents != product->price_cents)
    throw std::invalid_argument("order line with a price that is not the catalogue's");
  if (line.quantity == 0) throw std::invalid_argument("order line without a quantity");
  return {product, line.quantity, line.unit_price_cents, std::uint64_t{line.quantity} * line.unit_price_cents,
          std::pmr::string(line.note, memory)};
}

}  // namespace

// Grows one push at a time: for n items about log2(n) blocks, each filled by moving the items of the one before.
Items build_order_items_before(const Order& order, const Store& store, std::pmr::memory_resource* memory) {
  Items items(memory);
  for (const OrderLine& line : order.lines) items.push_back(build_item(line, store, memory));
  return items;
}

// One block of the right size.
Items build_order_items_after(const Order& order, const Store& store, std::pmr::memory_resource* memory) {
  Items items(memory);
  items.reserve(order.lines.size());
  for (const OrderLine& line : order.lines) items.push_back(build_item(line, store, memory));
  return items;
}

}  // namespace plateau::order_service
