// Protects names as people read them: parameters, template arguments and return types go, operators and scopes stay.
#include "profiling/symbols/function_name.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "profiling/symbols/demangled_name.hpp"

namespace plateau {
namespace {

TEST(ShortName, DropsWhatIsNotTheName) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"main", "main"},
      {"foo.cold", "foo.cold"},
      {"ns::f(int, char const*)", "ns::f"},
      {"std::vector<int, std::allocator<int> >::resize(unsigned long)", "std::vector::resize"},
      {"std::vector<std::pair<int, int>, A<(B)3> >::size() const", "std::vector::size"},
      {"void f<int>(int)", "f"},
      {"std::map<int, A>::mapped_type& ns::g<A>(std::map<int, A>&)", "ns::g"},
      {"(anonymous namespace)::serve(int)", "(anonymous namespace)::serve"},
      {"void ns::(anonymous namespace)::T<int>::m<char>(char) const", "ns::(anonymous namespace)::T::m"},
      {"main::{lambda(int, int)#1}::operator()(int, int) const", "main::{lambda}::operator()"},
      {"ns::f(int)::{lambda(auto:1)#2}::operator()<int>(int) const", "ns::f::{lambda}::operator()"},
      {"C::f(std::function<void (int)>) const::{lambda()#1}::operator()() const", "C::f::{lambda}::operator()"},
      {"operator new(unsigned long)", "operator new"},
      {"operator new[](unsigned long, std::align_val_t)", "operator new[]"},
      {"A::operator bool() const", "A::operator bool"},
      {"A::operator std::vector<int, B>() const", "A::operator std::vector"},
      {"std::ostream& operator<< <char>(std::ostream&, char)", "operator<<"},
      {"bool operator< <int>(A<int> const&, A<int> const&)", "operator<"},
      {"A::operator->() const", "A::operator->"},
      {"std::string std::operator+<char, A<char> >(std::string const&, std::string const&)", "std::operator+"},
      {"A A::operator-<A>(A const&) const", "A::operator-"},
      {"B<&(A::operator-<int>(int))>::f()", "B::f"},
      {"bool operator<=><A>(A, A)", "operator<=>"},
      {"A<&(operator<(B, B))>::f()", "A::f"},
      {"std::function<int (char)>::operator()(char) const", "std::function::operator()"},
      {"decltype (((x).f)()) ns::call<A>(A&)", "ns::call"},
      {"ns::name[abi:cxx11](int)", "ns::name"},
      {"f(int) [clone .isra.0]", "f"},
      {"A::~A()", "A::~A"},
      {"operator\"\" _kb(unsigned long long)", "operator\"\" _kb"},
  };
  for (const auto& [full, wanted] : cases) EXPECT_EQ(short_name(full), wanted) << full;
}

TEST(TemplatesName, KeepsWhatTellsInstancesApart) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"std::vector<int, std::allocator<int> >::resize(unsigned long)",
       "std::vector<int, std::allocator<int> >::resize"},
      {"void f<int>(int)", "f<int>"},
      {"std::map<int, A>::mapped_type& ns::g<A>(std::map<int, A>&)", "ns::g<A>"},
      {"ns::f(int)::{lambda(auto:1)#2}::operator()<int>(int) const", "ns::f::{lambda}::operator()<int>"},
      {"std::function<int (char)>::operator()(char) const", "std::function<int (char)>::operator()"},
      {"main", "main"},
  };
  for (const auto& [full, wanted] : cases) EXPECT_EQ(shown_cpp_name(full, NameStyle::templates), wanted) << full;
}

TEST(RustName, IsDemangledFromEitherManglingWithoutItsHash) {
  const auto shown = [](const char* symbol, NameStyle style) { return demangled_name(symbol, style).value_or("none"); };
  const char* const v0 = "_RNvXCs1VQLGaR7mhK_5probeINtB2_4BookyENtB2_5Keeps9keep_rows";
  const char* const legacy =
      "_ZN55_$LT$probe..Book$LT$u64$GT$$u20$as$u20$probe..Keeps$GT$9keep_rows17he453e117076577b3E";
  EXPECT_EQ(shown(v0, NameStyle::full), "<probe::Book<u64> as probe::Keeps>::keep_rows");
  EXPECT_EQ(shown(v0, NameStyle::brief), "<probe::Book as probe::Keeps>::keep_rows");
  EXPECT_EQ(shown("_ZN5probe4main17h0123456789abcdefE", NameStyle::brief), "probe::main");
  EXPECT_EQ(shown("_ZN5probe4mainEv", NameStyle::brief), "probe::main") << "C++";
  EXPECT_EQ(shown("main", NameStyle::brief), "none");
  EXPECT_EQ(shown_rust_name("core::ptr::drop_in_place::<alloc::vec::Vec<u8>>", NameStyle::brief),
            "core::ptr::drop_in_place");
  EXPECT_EQ(shown_rust_name("<F as core::ops::FnOnce<(u8,)>>::call_once::<fn(u8) -> u16>", NameStyle::brief),
            "<F as core::ops::FnOnce>::call_once");
  const std::string old = shown(legacy, NameStyle::brief);
  EXPECT_EQ(old, "<probe::Book as probe::Keeps>::keep_rows");
}

TEST(RustName, SurvivesWhatIsNoName) {
  for (const std::string text : {"", "<", ">", "a<", "<<", "a<b->", "::<", "a::<b"}) {
    EXPECT_NO_THROW(static_cast<void>(shown_rust_name(text, NameStyle::brief))) << text;
  }
}

TEST(ShortName, SurvivesWhatIsNoName) {
  for (const std::string text :
       {"", "<", ">", "(", ")", "a<b", "operator", "{", "{lambda", "a(b", "<<>", "f(a<b)::", " "}) {
    EXPECT_NO_THROW(static_cast<void>(short_name(text))) << text;
  }
}

}  // namespace
}  // namespace plateau
