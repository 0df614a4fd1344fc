// A lab's own options, on their way from the command line to its arms and into the result.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace plateau::harness {

// monostate: the option was not given, and has no default. Becomes JSON's null.
using OptionValue = std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string>;

class LabOptions {
 public:
  using Values = std::map<std::string, OptionValue, std::less<>>;

  LabOptions() = default;
  LabOptions(std::initializer_list<Values::value_type> values) : values_(values) {}

  void set(std::string name, OptionValue value) { values_.insert_or_assign(std::move(name), std::move(value)); }
  const Values& values() const { return values_; }

  // The rest throws std::out_of_range for a name that no lab gave, and std::bad_variant_access for another type.
  bool is_given(std::string_view name) const { return !std::holds_alternative<std::monostate>(at(name)); }
  const std::string& text(std::string_view name) const { return std::get<std::string>(at(name)); }
  bool flag(std::string_view name) const { return std::get<bool>(at(name)); }
  // Any number as the wanted type: JSON on the way does not keep which it was.
  template <class Number>
  Number number(std::string_view name) const {
    return std::visit(
        [](const auto& value) -> Number {
          if constexpr (std::is_arithmetic_v<std::decay_t<decltype(value)>>) {
            return static_cast<Number>(value);
          } else {
            throw std::bad_variant_access();
          }
        },
        at(name));
  }

 private:
  const OptionValue& at(std::string_view name) const {
    const auto found = values_.find(name);
    if (found == values_.end()) throw std::out_of_range("no option of the lab is called " + std::string(name));
    return found->second;
  }

  Values values_;
};

}  // namespace plateau::harness
