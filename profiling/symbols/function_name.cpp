#include "profiling/symbols/function_name.hpp"

#include <algorithm>
#include <cctype>
#include <cstddef>

namespace plateau {
namespace {

bool is_in_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

// The length of "<=", "+", …, at the start of `text`; 0 for a name, a type, brackets. Template arguments that follow
// begin with a bracket too, before which the demangler puts a blank where the symbol ends with one.
std::size_t symbol_of_operator(std::string_view text) {
  // The longest that fits is the one.
  for (const std::string_view symbol :
       {"<=>", "->*", "<<=", ">>=", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "++",
        "--",  "+=",  "-=",  "*=",  "/=", "%=", "^=", "&=", "|=", "->", "<",  ">",  "=",
        "!",   "+",   "-",   "*",   "/",  "%",  "^",  "&",  "|",  "~",  ","}) {
    if (text.starts_with(symbol)) return symbol.size();
  }
  return 0;
}

class Shortener {
 public:
  Shortener(std::string_view name, bool keeps_templates) : name_(name), keeps_templates_(keeps_templates) {}

  std::string shortened() {
    while (at_ < name_.size()) {
      const std::string_view rest = name_.substr(at_);
      const char c = rest[0];
      if (rest.starts_with("operator") && is_word(8)) {
        copy_operator();
      } else if (rest.starts_with("decltype (")) {
        at_ += 9;
        skip_brackets();
      } else if (rest.starts_with("(anonymous namespace)")) {
        copy(21);
      } else if (c == '{') {
        copy_unnamed();
      } else if (c == '<') {
        template_arguments();
      } else if (rest.starts_with("[abi:")) {
        skip_brackets();
      } else if (c == '(') {
        skip_brackets();
        if (!skip_qualifiers_of_scope()) break;  // the parameters of the function itself
      } else if (c == ' ') {
        result_.clear();  // what came before is the type that it returns
        ++at_;
      } else {
        copy(1);
      }
    }
    return result_.empty() ? std::string(name_) : result_;
  }

 private:
  // Whether the next `size` letters are a word of their own.
  bool is_word(std::size_t size) const {
    return (at_ == 0 || !is_in_word(name_[at_ - 1])) && (at_ + size == name_.size() || !is_in_word(name_[at_ + size]));
  }

  void copy(std::size_t size) {
    result_ += name_.substr(at_, size);
    at_ += size;
  }

  // operator(), operator[], operator<<, operator new[], operator bool
  void copy_operator() {
    copy(8);
    const std::string_view rest = name_.substr(at_);
    if (rest.starts_with("()") || rest.starts_with("[]")) return copy(2);
    if (rest.starts_with("\"\"")) return copy(std::min(rest.find('('), rest.size()));
    if (rest.starts_with(' ') && rest.size() > 1 && rest[1] != '<') {
      copy(1);
      while (at_ < name_.size() && name_[at_] != '(') name_[at_] == '<' ? template_arguments() : copy(1);
      return;
    }
    copy(symbol_of_operator(rest));
    if (name_.substr(at_).starts_with(" <")) ++at_;  // its template arguments
  }

  void template_arguments() {
    const std::size_t begin = at_;
    skip_brackets();
    if (keeps_templates_) result_ += name_.substr(begin, at_ - begin);
  }

  // {lambda(int)#1} is {lambda}
  void copy_unnamed() {
    const std::size_t begin = at_;
    skip_brackets();
    const std::string_view whole = name_.substr(begin, at_ - begin);
    result_ += whole.starts_with("{lambda") ? std::string_view("{lambda}") : whole;
  }

  // To after the bracket that closes the one here. "->" and operators do not count.
  void skip_brackets() {
    std::string open;
    for (; at_ < name_.size(); ++at_) {
      const char c = name_[at_];
      if (name_.substr(at_).starts_with("operator") && is_word(8)) {
        at_ += 7 + symbol_of_operator(name_.substr(at_ + 8));
        continue;
      }
      if (c == '<' || c == '(' || c == '[' || c == '{') open += c;
      const bool is_arrow = c == '>' && name_[at_ - 1] == '-';
      const bool closes_angle = c == '>' && !is_arrow && open.back() == '<';
      if (closes_angle || c == ')' || c == ']' || c == '}') {
        open.pop_back();
        if (open.empty()) {
          ++at_;
          return;
        }
      }
    }
  }

  // After the parameters of a function that is the scope of another: "f(int) const::{lambda()#1}".
  bool skip_qualifiers_of_scope() {
    const std::size_t scope = name_.find("::", at_);
    if (scope == std::string_view::npos) return false;
    const std::string_view between = name_.substr(at_, scope - at_);
    for (const std::string_view qualifiers : {"", " const", " volatile", " const volatile", " &", " &&", " const&"}) {
      if (between == qualifiers) {
        at_ = scope;
        return true;
      }
    }
    return false;
  }

  const std::string_view name_;
  const bool keeps_templates_;
  std::size_t at_ = 0;
  std::string result_;
};

// Leaves out the brackets that follow a name or "::", and keeps those that begin a path: "<A as B>::f".
std::string without_generics(std::string_view name) {
  std::string result;
  for (std::size_t at = 0; at < name.size(); ++at) {
    const char before = result.empty() ? ' ' : result.back();
    const bool is_generic = name[at] == '<' && (is_in_word(before) || before == ':');
    if (!is_generic) {
      result += name[at];
      continue;
    }
    int depth = 0;
    for (; at < name.size(); ++at) {
      if (name[at] == '<') ++depth;
      if (name[at] == '>' && name[at - 1] != '-' && --depth == 0) break;  // "fn() -> u8" closes nothing
    }
    if (result.ends_with("::")) result.resize(result.size() - 2);
  }
  return result;
}

}  // namespace

std::string short_name(std::string_view demangled) {
  return Shortener(demangled, false).shortened();
}

std::string shown_cpp_name(std::string_view demangled, NameStyle style) {
  if (style == NameStyle::full) return std::string(demangled);
  return Shortener(demangled, style == NameStyle::templates).shortened();
}

std::string shown_rust_name(std::string_view demangled, NameStyle style) {
  return style == NameStyle::brief ? without_generics(demangled) : std::string(demangled);
}

}  // namespace plateau
