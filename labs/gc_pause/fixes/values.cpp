#include "labs/gc_pause/fixes/values.hpp"

#include <array>
#include <bit>

namespace plateau::gc_pause {
namespace {

// A user of tier n has the first n + 1 of them.
constexpr std::array<std::string_view, 4> role_names{"reader", "commenter", "editor of its own articles",
                                                     "administrator of the tenant"};

}  // namespace

std::unique_ptr<HeapUser> create_user_before(const UserInput& input) {
  auto user = std::make_unique<HeapUser>();
  user->id = input.id;
  user->profile = std::make_unique<Profile>();
  user->profile->name = input.name;
  user->profile->email = input.email;
  user->profile->locale = input.locale;
  for (std::size_t i = 0; i <= input.tier && i < role_names.size(); ++i) user->roles.emplace_back(role_names[i]);
  return user;
}

User create_user_after(const UserInput& input) {
  return {.id = input.id,
          .name = input.name,
          .email = input.email,
          .locale = input.locale,
          .roles = (2U << input.tier) - 1};
}

UserView view(const HeapUser& user) {
  return {user.id, user.profile->email, user.profile->locale, user.roles.size()};
}

UserView view(const User& user) {
  return {user.id, user.email, user.locale, static_cast<std::size_t>(std::popcount(user.roles))};
}

}  // namespace plateau::gc_pause
