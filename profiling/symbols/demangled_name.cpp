#include "profiling/symbols/demangled_name.hpp"

#include <cxxabi.h>
#include <libiberty/demangle.h>

#include <cstdlib>
#include <memory>
#include <string_view>

namespace plateau {
namespace {

using MallocText = std::unique_ptr<char, void (*)(void*)>;

// Rust's old mangling is C++'s with a hash behind the name, which is why it is asked for first.
std::optional<std::string> rust_name(const char* symbol) {
  const std::string_view text(symbol);
  if (!text.starts_with("_R") && !text.starts_with("_ZN")) return std::nullopt;
  const MallocText name(rust_demangle(symbol, 0), std::free);
  return name != nullptr ? std::optional<std::string>(name.get()) : std::nullopt;
}

}  // namespace

std::optional<std::string> demangled_name(const char* symbol, NameStyle style) {
  if (const auto name = rust_name(symbol)) return shown_rust_name(*name, style);
  int status = 0;
  const MallocText name(abi::__cxa_demangle(symbol, nullptr, nullptr, &status), std::free);
  if (status != 0 || name == nullptr) return std::nullopt;
  return shown_cpp_name(name.get(), style);
}

std::string shown_name(const std::string& name, NameStyle style) {
  if (name.starts_with("_Z") || name.starts_with("_R")) {
    if (auto demangled = demangled_name(name.c_str(), style)) return *std::move(demangled);
  }
  // Only Rust begins a name with a bracket, as in "<u8 as Trait>::f".
  return name.starts_with('<') ? shown_rust_name(name, style) : shown_cpp_name(name, style);
}

}  // namespace plateau
