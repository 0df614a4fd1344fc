#include "allocators/jemalloc/control.hpp"

#include <dlfcn.h>
#include <jemalloc/jemalloc.h>  // for the types and numbers; the functions are looked up in what is loaded

#include <cerrno>

#include "allocators/runtime_symbol.hpp"

namespace plateau::jemalloc {
namespace {

static_assert(all_arenas == MALLCTL_ARENAS_ALL && destroyed_arenas == MALLCTL_ARENAS_DESTROYED);

struct Functions {
  decltype(::mallctl)* by_name = runtime_symbol<decltype(::mallctl)>(control_function);
  decltype(::mallctlnametomib)* look_up = runtime_symbol<decltype(::mallctlnametomib)>("mallctlnametomib");
  decltype(::mallctlbymib)* by_mib = runtime_symbol<decltype(::mallctlbymib)>("mallctlbymib");

  bool complete() const noexcept { return by_name != nullptr && look_up != nullptr && by_mib != nullptr; }
};

const Functions& functions() noexcept {
  static const Functions found;
  return found;
}

ControlError error_of(int code) noexcept {
  switch (code) {
    case 0:
      return ControlError::none;
    case ENOENT:
      return ControlError::unknown_name;
    case EINVAL:
      return ControlError::wrong_type;
    case EPERM:
      return ControlError::not_permitted;
    case EAGAIN:
      return ControlError::no_memory;
    default:
      return ControlError::refused;
  }
}

}  // namespace

std::string_view to_string(ControlError error) noexcept {
  switch (error) {
    case ControlError::none:
      return "jemalloc did it";
    case ControlError::no_jemalloc:
      return "jemalloc is not loaded: link libjemalloc or preload libjemalloc.so.2";
    case ControlError::unknown_name:
      return "jemalloc has no such control here";
    case ControlError::wrong_type:
      return "jemalloc has that control with another type or other bounds";
    case ControlError::not_permitted:
      return "jemalloc does not let that control be used so";
    case ControlError::no_memory:
      return "jemalloc has no memory for that";
    case ControlError::refused:
      return "jemalloc tried and could not";
    case ControlError::not_taken:
      return "jemalloc took the value and kept another";
  }
  return "unknown";
}

bool loaded() noexcept {
  return functions().complete();
}

bool provides(const void* address) noexcept {
  Dl_info of_address{};
  Dl_info of_control{};
  return loaded() && address != nullptr && dladdr(address, &of_address) != 0 &&
         dladdr(reinterpret_cast<const void*>(functions().by_name), &of_control) != 0 &&
         of_address.dli_fbase == of_control.dli_fbase;
}

ControlError internal::control(const char* name, void* old, std::size_t old_size, void* wanted,
                               std::size_t size) noexcept {
  if (!loaded()) return ControlError::no_jemalloc;
  return error_of(functions().by_name(name, old, old != nullptr ? &old_size : nullptr, wanted, size));
}

ControlError internal::control(const Path& path, std::size_t length, void* old, std::size_t old_size, void* wanted,
                               std::size_t size) noexcept {
  return error_of(functions().by_mib(path.data(), length, old, old != nullptr ? &old_size : nullptr, wanted, size));
}

ControlError call(const char* name) noexcept {
  return internal::control(name, nullptr, 0, nullptr, 0);
}

void refresh_statistics() noexcept {
  write("epoch", std::uint64_t{1});
}

Mib::Mib(const char* name) noexcept {
  if (!loaded()) {
    error_ = ControlError::no_jemalloc;
    return;
  }
  length_ = path_.size();
  error_ = error_of(functions().look_up(name, path_.data(), &length_));
  std::uint8_t place = 0;
  for (const char* at = name; known() && *at != '\0'; ++at) {
    if (*at == '.') ++place;
    if (*at < '0' || *at > '9' || at == name || at[-1] != '.') continue;
    if (index_count_ == most_indices) {
      error_ = ControlError::unknown_name;
    } else {
      places_[index_count_++] = place;
    }
  }
}

ControlError Mib::control(const Indices& indices, std::size_t count, void* old, std::size_t old_size, void* wanted,
                          std::size_t size) const noexcept {
  if (!known()) return error_;
  if (count != index_count_) return ControlError::unknown_name;
  internal::Path path = path_;
  for (std::size_t i = 0; i < count; ++i) path[places_[i]] = indices[i];
  return internal::control(path, length_, old, old_size, wanted, size);
}

}  // namespace plateau::jemalloc
