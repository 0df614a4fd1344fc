#include "allocators/unexported_symbols.hpp"

#include <atomic>
#include <utility>

namespace plateau {
namespace {

constinit std::atomic<const UnexportedSymbols*> known{nullptr};

}  // namespace

void add_unexported_symbols(UnexportedSymbols symbols) {
  known.store(new UnexportedSymbols(std::move(symbols)), std::memory_order_release);  // for good
}

void* unexported_symbol(const char* name) noexcept {
  const UnexportedSymbols* const symbols = known.load(std::memory_order_acquire);
  if (symbols == nullptr) return nullptr;
  const auto found = symbols->addresses.find(name);
  return found == symbols->addresses.end() ? nullptr : found->second;
}

const std::string& prefix_of_own_jemalloc() noexcept {
  static const std::string none;
  const UnexportedSymbols* const symbols = known.load(std::memory_order_acquire);
  return symbols == nullptr ? none : symbols->jemalloc_prefix;
}

}  // namespace plateau
