#include "labs/order_service/fixes/buffers.hpp"

#include <algorithm>

namespace plateau::order_service {
namespace json = boost::json;
namespace {

constexpr std::size_t shown_related_orders = 10;

json::object confirmation_document(const Confirmation& c, const json::storage_ptr& memory) {
  json::object document(memory);
  document.reserve(9);
  document["order_id"] = c.order.id;
  document["placed_s"] = c.order.placed_s;
  json::object& customer = document["customer"].emplace_object();
  customer.reserve(4);
  customer["id"] = c.order.customer;
  customer["name"] = c.customer.name;
  customer["email"] = c.customer.email;
  customer["address"] = c.customer.address;
  json::array& items = document["items"].emplace_array();
  items.reserve(c.items.size());
  for (const Item& item : c.items) {
    json::object& line = items.emplace_back(json::object_kind).as_object();
    line.reserve(7);
    line["sku"] = item.product->sku;
    line["name"] = item.product->name;
    line["quantity"] = item.quantity;
    line["unit_price_cents"] = item.unit_price_cents;
    line["total_cents"] = item.total_cents;
    line["tax_cents"] = item.total_cents * item.product->tax_per_mille / 1000;
    line["note"] = std::string_view(item.note);
  }
  std::uint64_t related_total_cents = 0;
  for (const PastOrder* const row : c.related) related_total_cents += row->total_cents;
  document["related_total_cents"] = related_total_cents;
  json::array& related = document["related_orders"].emplace_array();
  related.reserve(shown_related_orders);
  for (const PastOrder* const row : c.related.first(std::min(shown_related_orders, c.related.size()))) {
    json::object& past = related.emplace_back(json::object_kind).as_object();
    past.reserve(3);
    past["number"] = row->number;
    past["total_cents"] = row->total_cents;
    past["status"] = status_name(row->status);
  }
  document["terms"] = c.terms;
  document["total_cents"] = c.total_cents;
  document["recent_total_cents"] = c.recent_total_cents;
  return document;
}

}  // namespace

// A document of some two hundred heap blocks, and a string that grows by doubling; the buffer is used once.
Payload Encoder::encode_before(const Confirmation& confirmation) {
  const json::object document = confirmation_document(confirmation, &heap_resource_);
  return Payload(new std::string(json::serialize(document)), {});
}

// The document lives in an arena that is reset for each order; the text goes into a buffer that has been used before.
Payload Encoder::encode_after(const Confirmation& confirmation) {
  document_.reset();
  const json::value document(confirmation_document(confirmation, &document_resource_));
  Payload payload = buffers_.get();
  serializer_.reset(&document);
  while (!serializer_.done()) payload->append(serializer_.read(output_.get(), output_bytes));
  return payload;
}

}  // namespace plateau::order_service
