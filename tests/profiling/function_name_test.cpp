// Protects names as people read them: parameters, template arguments and return types go, operators and scopes stay.
#include "profiling/symbols/function_name.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

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

TEST(ShortName, SurvivesWhatIsNoName) {
  for (const std::string text :
       {"", "<", ">", "(", ")", "a<b", "operator", "{", "{lambda", "a(b", "<<>", "f(a<b)::", " "}) {
    EXPECT_NO_THROW(static_cast<void>(short_name(text))) << text;
  }
}

}  // namespace
}  // namespace plateau
