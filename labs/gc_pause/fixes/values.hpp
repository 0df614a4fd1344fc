// The fix `values`: the user of a request, made from what came in. Before: objects on the heap, by pointer. After: a
// value on the stack.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "labs/gc_pause/request.hpp"

namespace plateau::gc_pause {

struct Profile {
  std::string name;
  std::string email;
  std::string locale;
};

struct HeapUser {
  UserId id = 0;
  std::unique_ptr<Profile> profile;
  std::vector<std::string> roles;
};

struct User {
  UserId id = 0;
  std::string_view name;  // views of the request, which outlives its user
  std::string_view email;
  std::string_view locale;
  std::uint32_t roles = 0;  // a bit each
};

std::unique_ptr<HeapUser> create_user_before(const UserInput& input);
User create_user_after(const UserInput& input);

// What the rest of the service uses of either.
struct UserView {
  UserId id;
  std::string_view email;
  std::string_view locale;
  std::size_t role_count;
};
UserView view(const HeapUser& user);
UserView view(const User& user);

}  // namespace plateau::gc_pause
