// Internal to the Heap facade: one factory per allocator.
#pragma once

#include <memory>
#include <string>

#include "allocators/heap.hpp"
#include "allocators/runtime_symbol.hpp"

namespace plateau::heap_backend {

std::unique_ptr<Heap> make_glibc(std::string library);
std::unique_ptr<Heap> make_jemalloc(std::string library);
std::unique_ptr<Heap> make_mimalloc(std::string library);
std::unique_ptr<Heap> make_tcmalloc(std::string library);

}  // namespace plateau::heap_backend
