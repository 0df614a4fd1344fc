#include <cstdint>
#include <memory>
#include <unordered_map>

#include "leakdemo/leaks/leak.hpp"

namespace plateau::leakdemo {
namespace {

constexpr std::uint64_t users = 100;

struct Session {
  std::uint64_t user = 0;
  char state[4088] = {};
};

class ForgetfulSessions final : public Service {
 public:
  // The fault: the assignment forgets the pointer to the session that the user had before.
  [[gnu::noinline]] void login(std::uint64_t user) { by_user_[user] = new Session{.user = user}; }
  void operate(std::uint64_t i) override { login(i % users); }

 private:
  std::unordered_map<std::uint64_t, Session*> by_user_;
};

class OwningSessions final : public Service {
 public:
  // The repair: the table owns its sessions, and the assignment destroys the old one.
  [[gnu::noinline]] void login(std::uint64_t user) {
    by_user_[user] = std::make_unique<Session>(Session{.user = user});
  }
  void operate(std::uint64_t i) override { login(i % users); }

 private:
  std::unordered_map<std::uint64_t, std::unique_ptr<Session>> by_user_;
};

}  // namespace

constinit const Leak lost_pointer{
    .name = "lost_pointer",
    .sentence = "a user logs in again, and the only pointer to the old session is overwritten",
    .kind = LeakKind::unreachable,
    .place = {"Sessions::login"},
    .operations = 4'000,
    .bytes_per_operation = sizeof(Session),
    .make = fault_or_repair<ForgetfulSessions, OwningSessions>,
};

}  // namespace plateau::leakdemo
