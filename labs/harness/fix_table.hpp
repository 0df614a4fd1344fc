// The fixes of a lab, right and wrong, as one constant table: a row says all that there is to a fix beside its code.
//
//   struct Fixes { bool query = false; bool trim_often = false; };
//   inline constexpr auto right = std::to_array<FixRow<Fixes>>({{"query", "one reserved builder", &Fixes::query}});
//   inline constexpr auto wrong = std::to_array<WrongFixRow<Fixes>>({{"trim-often", "…", "…", &Fixes::trim_often}});
//   inline constexpr FixTable<Fixes> fix_table(right, wrong);
//
// A lab's code asks `fixes.query` and nothing else; names are looked up here, when an arm starts or a knob is turned.
#pragma once

#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "labs/harness/arm/knob.hpp"
#include "labs/harness/fix.hpp"

namespace plateau::harness {

// A lane takes a switched fix over between two operations; a fix of the process is in force as soon as it is switched.
enum class FixScope { lane, process };

template <class Fixes>
struct FixRow {
  std::string_view name;
  std::string_view sentence;
  bool Fixes::*flag;
  FixScope scope = FixScope::lane;
  std::string_view when_switched = {};  // see Fix
};

template <class Fixes>
struct WrongFixRow {
  std::string_view name;
  std::string_view sentence;
  std::string_view reason;
  bool Fixes::*flag;
  double hours = 24;  // see WrongFix
};

// A view of constant rows: cheap to copy, thread-safe.
template <class Fixes>
class FixTable {
 public:
  // Does not compile when two rows share a name or a flag, or when there are more fixes than knobs for them.
  consteval FixTable(std::span<const FixRow<Fixes>> fixes, std::span<const WrongFixRow<Fixes>> wrong)
      : fixes_(fixes), wrong_(wrong) {
    if (fixes.size() > most_fixes) throw std::logic_error("there are more fixes than knobs in the shared block");
    for (std::size_t i = 0; i < fixes.size(); ++i) demand_unique(fixes[i].name, fixes[i].flag, i);
    for (std::size_t i = 0; i < wrong.size(); ++i) demand_unique(wrong[i].name, wrong[i].flag, fixes.size() + i);
  }

  // Flags of the named fixes. Throws std::invalid_argument for a name that is not in the table.
  Fixes chosen(std::span<const std::string> names) const {
    Fixes result;
    for (const std::string& name : names) result.*flag_of(name) = true;
    return result;
  }
  // Null for a name that is no (right) fix.
  const FixRow<Fixes>* find(std::string_view name) const {
    for (const FixRow<Fixes>& row : fixes_) {
      if (row.name == name) return &row;
    }
    return nullptr;
  }

  // The rows as the lab's description has them, in the same order.
  std::vector<Fix> fixes() const {
    std::vector<Fix> result;
    for (const FixRow<Fixes>& row : fixes_) result.push_back({row.name, row.sentence, row.when_switched});
    return result;
  }
  std::vector<WrongFix> wrong_fixes() const {
    std::vector<WrongFix> result;
    for (const WrongFixRow<Fixes>& row : wrong_) result.push_back({row.name, row.sentence, row.reason, row.hours});
    return result;
  }

 private:
  using Flag = bool Fixes::*;

  // Among the first `count` rows, right ones before wrong ones.
  consteval void demand_unique(std::string_view name, Flag flag, std::size_t count) const {
    for (std::size_t i = 0; i < count; ++i) {
      const bool is_right = i < fixes_.size();
      const std::size_t at = is_right ? i : i - fixes_.size();
      const bool same_name = (is_right ? fixes_[at].name : wrong_[at].name) == name;
      const bool same_flag = (is_right ? fixes_[at].flag : wrong_[at].flag) == flag;
      if (same_name || same_flag) throw std::logic_error("two fixes share a name or a flag");
    }
  }

  Flag flag_of(std::string_view name) const {
    if (const FixRow<Fixes>* const row = find(name)) return row->flag;
    for (const WrongFixRow<Fixes>& row : wrong_) {
      if (row.name == name) return row.flag;
    }
    throw std::invalid_argument("there is no fix '" + std::string(name) + "'");
  }

  std::span<const FixRow<Fixes>> fixes_;
  std::span<const WrongFixRow<Fixes>> wrong_;
};

}  // namespace plateau::harness
