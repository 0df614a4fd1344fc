#include <array>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <vector>

#include "allocators/heap.hpp"
#include "leakdemo/leaks/leak.hpp"

namespace plateau::leakdemo {
namespace {

// Documents of a batch grow longer through the day, so that a later batch does not fit into the holes of an earlier.
constexpr std::array<std::size_t, 23> document_bytes{80,  96,  112, 128,  160,  192,  224,  256,  320,  384,  448, 512,
                                                     640, 768, 896, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584};
constexpr std::size_t batch_bytes = std::size_t{4} << 20;
constexpr std::size_t bytes_per_receipt = 16'384;  // one small block is kept for so many bytes of documents

using Block = std::unique_ptr<char[]>;

// Both purge when a batch is over. It gives back pages that are free as a whole, and no others.
class MixedLifetimes final : public Service {
 public:
  // The fault: what is kept is allocated among what is not, and keeps its page.
  void handle(std::size_t bytes) {
    std::vector<Block> batch;
    for (std::size_t done = 0; done < batch_bytes; done += bytes) {
      batch.push_back(std::make_unique<char[]>(bytes));
      if (done % bytes_per_receipt < bytes) receipts_.push_back(std::make_unique<char[]>(bytes));
    }
  }
  void operate(std::uint64_t i) override {
    handle(document_bytes[i % document_bytes.size()]);
    Heap::process().purge();
  }

 private:
  std::vector<Block> receipts_;
};

class SeparateLifetimes final : public Service {
 public:
  // The repair: what is kept is kept elsewhere.
  void handle(std::size_t bytes) {
    std::vector<Block> batch;
    for (std::size_t done = 0; done < batch_bytes; done += bytes) {
      batch.push_back(std::make_unique<char[]>(bytes));
      if (done % bytes_per_receipt < bytes) receipts_.push_back(static_cast<char*>(receipt_memory_.allocate(bytes, 1)));
    }
  }
  void operate(std::uint64_t i) override {
    handle(document_bytes[i % document_bytes.size()]);
    Heap::process().purge();
  }

 private:
  std::pmr::monotonic_buffer_resource receipt_memory_;
  std::vector<char*> receipts_;
};

}  // namespace

constinit const Leak fragmentation{
    .name = "fragmentation",
    .sentence = "few small blocks that stay lie among many that go, and keep their pages",
    .kind = LeakKind::no_leak,
    .place = {"slab slack"},
    .operations = 16,
    .bytes_per_operation = batch_bytes,
    .library = "libjemalloc.so.2",
    .make = fault_or_repair<MixedLifetimes, SeparateLifetimes>,
};

}  // namespace plateau::leakdemo
