// Internal: the one typed door to jemalloc's control interface, described in jemalloc(3) under MALLCTL NAMESPACE.
//
//   if (const auto pages = jemalloc::read<std::size_t>("arenas.page")) use(pages.value);
//   const jemalloc::Mib purge("arena.0.purge");
//   purge.call(arena);
//
// The functions are looked up in what is loaded, once for the process, and never linked. Every failure is a value that
// says what was wrong; nothing here throws, and nothing allocates but the look-up itself. Thread-safe.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

namespace plateau::jemalloc {

// The name of the function by which a library shows itself to be jemalloc.
inline constexpr const char* control_function = "mallctl";

// In the place of an arena's number: every arena, and those that were destroyed. MALLCTL_ARENAS_ALL is also the first
// number that is no arena's.
inline constexpr unsigned all_arenas = 4096;
inline constexpr unsigned destroyed_arenas = 4097;

enum class ControlError : std::uint8_t {
  none,
  no_jemalloc,    // nothing loaded has jemalloc's control functions
  unknown_name,   // ENOENT: this build has no such control, or there is no such arena
  wrong_type,     // EINVAL: the value has another size, or is out of bounds
  not_permitted,  // EPERM: read what can only be written or called, or the reverse
  no_memory,      // EAGAIN
  refused,        // EFAULT and all others: known, tried, and failed
  not_taken,      // written without complaint, and something else was read back
};

// One clause, such as "jemalloc has no such control here".
std::string_view to_string(ControlError error) noexcept;

template <class Value>
concept ControlValue = std::is_trivially_copyable_v<Value> && std::is_object_v<Value>;

// `value` means something only without an error.
template <ControlValue Value>
struct Answer {
  Value value{};
  ControlError error = ControlError::none;

  explicit operator bool() const noexcept { return error == ControlError::none; }
  Value value_or(Value otherwise) const noexcept { return *this ? value : otherwise; }
  std::optional<Value> optional() const noexcept { return *this ? std::optional(value) : std::nullopt; }
};

bool loaded() noexcept;
// Whether the function or object at `address` is part of the library that has jemalloc's control functions.
bool provides(const void* address) noexcept;

namespace internal {
using Path = std::array<std::size_t, 8>;
ControlError control(const char* name, void* old, std::size_t old_size, void* wanted, std::size_t size) noexcept;
ControlError control(const Path& path, std::size_t length, void* old, std::size_t old_size, void* wanted,
                     std::size_t size) noexcept;
}  // namespace internal

// Each call by name is parsed by jemalloc: of the order of a microsecond. Repeated ones are cheaper by Mib.
template <ControlValue Value>
Answer<Value> read(const char* name) noexcept {
  Answer<Value> answer;
  answer.error = internal::control(name, &answer.value, sizeof(Value), nullptr, 0);
  return answer;
}

template <ControlValue Value>
ControlError write(const char* name, Value value) noexcept {
  return internal::control(name, nullptr, 0, &value, sizeof value);
}

// Writes, and reads back: not_taken when jemalloc then says something else.
template <ControlValue Value>
ControlError set(const char* name, Value value) noexcept {
  if (const ControlError error = write(name, value); error != ControlError::none) return error;
  const Answer<Value> now = read<Value>(name);
  if (!now) return now.error;
  return now.value == value ? ControlError::none : ControlError::not_taken;
}

// Reads an Old and writes `value` in one call, as arenas.create takes its hooks.
template <ControlValue Old, ControlValue Value>
Answer<Old> exchange(const char* name, Value value) noexcept {
  Answer<Old> answer;
  answer.error = internal::control(name, &answer.value, sizeof(Old), &value, sizeof value);
  return answer;
}

ControlError call(const char* name) noexcept;

// Renews the statistics, which are a snapshot of the last time that this was done. Cost: tens of microseconds.
void refresh_statistics() noexcept;

// A control that is looked up once and then used by number: nothing is parsed. Each number in its name
// ("arena.0.purge", "stats.arenas.0.bins.0.curregs": two at most) is a place for an index, which every use gives, in
// order. Copied freely.
class Mib {
 public:
  Mib() = default;  // is no control: unknown_name
  explicit Mib(const char* name) noexcept;

  ControlError error() const noexcept { return error_; }
  bool known() const noexcept { return error_ == ControlError::none; }

  template <ControlValue Value, std::convertible_to<std::size_t>... Index>
  Answer<Value> read(Index... index) const noexcept {
    Answer<Value> answer;
    answer.error =
        control({static_cast<std::size_t>(index)...}, sizeof...(index), &answer.value, sizeof(Value), nullptr, 0);
    return answer;
  }
  template <ControlValue Value, std::convertible_to<std::size_t>... Index>
  ControlError write(Value value, Index... index) const noexcept {
    return control({static_cast<std::size_t>(index)...}, sizeof...(index), nullptr, 0, &value, sizeof value);
  }
  // Writes, and reads back.
  template <ControlValue Value, std::convertible_to<std::size_t>... Index>
  ControlError set(Value value, Index... index) const noexcept {
    if (const ControlError error = write(value, index...); error != ControlError::none) return error;
    const Answer<Value> now = read<Value>(index...);
    if (!now) return now.error;
    return now.value == value ? ControlError::none : ControlError::not_taken;
  }
  // Gives what was there before.
  template <ControlValue Value, std::convertible_to<std::size_t>... Index>
  Answer<Value> exchange(Value value, Index... index) const noexcept {
    Answer<Value> answer;
    answer.error = control({static_cast<std::size_t>(index)...}, sizeof...(index), &answer.value, sizeof(Value), &value,
                           sizeof value);
    return answer;
  }
  template <std::convertible_to<std::size_t>... Index>
  ControlError call(Index... index) const noexcept {
    return control({static_cast<std::size_t>(index)...}, sizeof...(index), nullptr, 0, nullptr, 0);
  }

 private:
  static constexpr std::size_t most_indices = 2;
  using Indices = std::array<std::size_t, most_indices>;

  ControlError control(const Indices& indices, std::size_t count, void* old, std::size_t old_size, void* wanted,
                       std::size_t size) const noexcept;

  internal::Path path_{};
  std::size_t length_ = 0;
  std::array<std::uint8_t, most_indices> places_{};  // in path_, of the indices
  std::uint8_t index_count_ = 0;
  ControlError error_ = ControlError::unknown_name;
};

}  // namespace plateau::jemalloc
