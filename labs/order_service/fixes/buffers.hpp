// Fix "buffers": the confirmation of an order, encoded as JSON into a buffer that is sent and kept until acknowledged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <boost/json.hpp>

#include "allocators/arena.hpp"
#include "allocators/recycler.hpp"
#include "labs/order_service/fixes/items.hpp"
#include "labs/order_service/order.hpp"
#include "labs/order_service/store.hpp"

namespace plateau::order_service {

struct Confirmation {
  const Order& order;
  const Customer& customer;
  const Items& items;
  std::span<const PastOrder* const> related;
  std::string_view terms;
  std::uint64_t total_cents = 0;
  std::uint64_t recent_total_cents = 0;  // of the orders just before, for the velocity check downstream
};

using BufferRecycler = Recycler<std::string>;
// An encoded confirmation. Gives its buffer back to the recycler it came from, if any.
using Payload = BufferRecycler::Handle;

// Boost.JSON over an Arena: a document is built by moving a pointer, and forgotten by a reset.
class ArenaJsonResource final : public boost::json::memory_resource {
 public:
  explicit ArenaJsonResource(Arena& arena) : arena_(arena) {}

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override { return arena_.allocate(bytes, alignment); }
  void do_deallocate(void* /*block*/, std::size_t /*bytes*/, std::size_t /*alignment*/) override {}
  bool do_is_equal(const boost::json::memory_resource& other) const noexcept override { return this == &other; }
  Arena& arena_;
};

// Boost.JSON over the general heap, with the sizes of freed blocks passed on, as its own default resource does not.
class HeapJsonResource final : public boost::json::memory_resource {
 private:
  void* do_allocate(std::size_t bytes, std::size_t /*alignment*/) override { return ::operator new(bytes); }
  void do_deallocate(void* block, std::size_t bytes, std::size_t /*alignment*/) override {
    ::operator delete(block, bytes);
  }
  bool do_is_equal(const boost::json::memory_resource& other) const noexcept override { return this == &other; }
};

// What a worker keeps between encodings. Not thread-safe, but for the recycler.
class Encoder {
 public:
  explicit Encoder(BufferRecycler& buffers) : buffers_(buffers) {}
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  Payload encode_before(const Confirmation& confirmation);
  Payload encode_after(const Confirmation& confirmation);

  std::size_t slack_bytes() const { return document_.statistics().slack_bytes() + output_bytes; }

 private:
  static constexpr std::size_t output_bytes = 16 * 1024;
  BufferRecycler& buffers_;
  Arena document_{{.block_bytes = 64 * 1024, .max_block_bytes = 64 * 1024, .retain_bytes = 64 * 1024}};
  ArenaJsonResource document_resource_{document_};
  HeapJsonResource heap_resource_;
  boost::json::serializer serializer_;
  std::unique_ptr<char[]> output_ = std::make_unique<char[]>(output_bytes);
};

}  // namespace plateau::order_service

template <>
struct boost::json::is_deallocate_trivial<plateau::order_service::ArenaJsonResource> {
  static constexpr bool value = true;
};
