// The limiter gives the answers of the Go package whose semantics it has, to the last bit, whatever is asked of both.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "labs/limiter/limiter.hpp"
#include "tests/support/child_program.hpp"
#include "tests/support/random_seed.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::testing {
namespace {

constexpr int operations = 100'000;
constexpr int operations_a_limiter = 200;  // on average

class Operations {
 public:
  explicit Operations(std::uint64_t seed) : random_(seed) { begin(); }

  // Does one operation on the limiter, writes it for the original, and gives the limiter's answer.
  std::string next(std::ostream& script) {
    if (below(operations_a_limiter) == 0) return begin(script);
    move_on();
    const std::int64_t n = below(4) == 0 ? static_cast<std::int64_t>(below(40)) : 1;
    std::ostringstream answer;
    answer << std::boolalpha;
    switch (below(10)) {
      case 0:
        write(script, "tokens");
        answer << std::hex << std::bit_cast<std::uint64_t>(limiter_->tokens(now_));
        break;
      case 1:
      case 2:
        if (!reservations_.empty()) {
          const std::uint64_t which = recent();
          write(script, "cancel", static_cast<std::int64_t>(which));
          reservations_[which].cancel(now_);
          answer << 0;
          break;
        }
        [[fallthrough]];
      case 3:
        if (!reservations_.empty()) {
          const std::uint64_t which = recent();
          write(script, "delay", static_cast<std::int64_t>(which));
          answer << reservations_[which].delay(now_).count();
          break;
        }
        [[fallthrough]];
      case 4:
        if (below(8) == 0) {
          const double limit = any_limit();
          write(script, "limit", 0, limit);
          limiter_->set_limit(now_, limit);
          answer << 0;
          break;
        }
        if (below(8) == 0) {
          const auto burst = static_cast<std::int64_t>(below(50));
          write(script, "burst", burst);
          limiter_->set_burst(now_, burst);
          answer << 0;
          break;
        }
        [[fallthrough]];
      case 5:
      case 6:
        write(script, "allow", n);
        answer << limiter_->allow(now_, n);
        break;
      default: {
        write(script, "reserve", n);
        const Limiter::Reservation reservation = limiter_->reserve(now_, n);
        answer << reservation.is_granted() << ' ' << reservation.delay(now_).count();
        reservations_.push_back(reservation);
      }
    }
    return answer.str();
  }

 private:
  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  std::uint64_t recent() {
    const std::uint64_t size = reservations_.size();
    return below(2) == 0 ? size - 1 : size - 1 - below(std::min<std::uint64_t>(size, 6));
  }
  double any_limit() {
    switch (below(12)) {
      case 0:
        return 0;
      case 1:
        return Limiter::unlimited;
      case 2:
        return 0.001 + static_cast<double>(below(1000)) / 997;
      default:
        return static_cast<double>(1 + below(20'000)) / 7;
    }
  }
  // Mostly on by some of what a token takes; sometimes not at all, far, or back.
  void move_on() {
    const std::uint64_t kind = below(20);
    if (kind == 0) {
      now_ += std::chrono::seconds(below(100'000));
    } else if (kind == 1) {
      now_ -= std::chrono::nanoseconds(below(2'000'000'000));
    } else if (kind < 16) {
      now_ += std::chrono::nanoseconds(below(below(2) == 0 ? 2'000'000 : 400'000'000));
    }
  }
  void write(std::ostream& script, const char* name, std::int64_t n = 0, double number = 0) const {
    script << name << ' ' << now_.count() << ' ' << n << ' ' << std::hex << std::bit_cast<std::uint64_t>(number)
           << std::dec << '\n';
  }
  void begin() { limiter_ = std::make_unique<Limiter>(); }
  std::string begin(std::ostream& script) {
    reservations_.clear();
    if (below(10) == 0) {
      limiter_ = std::make_unique<Limiter>();
      write(script, "zero");
    } else {
      const double limit = any_limit();
      const auto burst = static_cast<std::int64_t>(below(50));
      limiter_ = std::make_unique<Limiter>(limit, burst);
      write(script, "new", burst, limit);
    }
    return "0";
  }

  std::mt19937_64 random_;
  std::unique_ptr<Limiter> limiter_;
  std::vector<Limiter::Reservation> reservations_;
  Limiter::Time now_{std::chrono::hours(24 * 365)};
};

TEST(LimiterAndItsOriginal, GiveTheSameAnswers) {
  const std::uint64_t seed = random_seed();
  SCOPED_TRACE(::testing::Message() << "seed " << seed << "; PLATEAU_TEST_SEED repeats it");
  Operations asked(seed);
  std::ostringstream script;
  std::vector<std::string> ours;
  for (int i = 0; i < operations; ++i) ours.push_back(asked.next(script));
  const ScratchFolder folder;
  std::ofstream(folder / "script") << script.str();

  const Finished original = run("/bin/sh", {"-c", "exec \"$0\" < \"$1\"", RATE_ORIGINAL, folder / "script"});
  ASSERT_EQ(original.status, 0) << original.error;
  std::istringstream theirs(original.out);
  std::istringstream lines(script.str());
  std::string history;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    std::string operation;
    std::string answer;
    std::getline(lines, operation);
    ASSERT_TRUE(std::getline(theirs, answer)) << "the original stopped after " << i << " answers";
    if (operation.starts_with("new") || operation.starts_with("zero")) history.clear();
    history += operation + " -> " + answer + "\n";
    ASSERT_EQ(ours[i], answer) << "operation " << i << " since its limiter was made:\n" << history;
  }
  RecordProperty("operations", operations);
  std::cout << operations << " operations, the same answers; seed " << seed << "\n";
}

}  // namespace
}  // namespace plateau::testing
