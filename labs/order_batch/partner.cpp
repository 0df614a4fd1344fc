#include "labs/order_batch/partner.hpp"

#include <array>
#include <chrono>
#include <cmath>
#include <deque>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/asio.hpp>

#include "labs/harness/load/random.hpp"
#include "labs/limiter/limiter.hpp"
#include "labs/order_batch/wire.hpp"

namespace plateau::order_batch {
namespace asio = boost::asio;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

namespace {

enum class Fault { none, refuses, answers_twice, answers_late, closes_in_the_middle, never_answers };
constexpr std::uint64_t kinds_of_fault = 5;

}  // namespace

class Partner::State {
 public:
  explicit State(const PartnerOptions& options)
      : options_(options),
        contract_(options.orders_per_second > 0 ? options.orders_per_second : Limiter::unlimited, options.burst),
        acceptor_(context_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {
    acceptor_.listen(asio::socket_base::max_listen_connections);
  }

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

  void run() {
    accept();
    context_.run();
  }

  void stop() { context_.stop(); }
  const PartnerCounts& counts() const { return counts_; }

 private:
  struct Seen {
    std::uint32_t requests = 0;
    std::uint32_t faults = 0;
    bool accepted = false;
  };

  // How an order is to be answered.
  struct Decision {
    Fault fault = Fault::none;
    Answer answer{};
    Clock::duration after{};
  };

  class Connection : public std::enable_shared_from_this<Connection> {
   public:
    Connection(State& state, tcp::socket socket)
        : state_(state), socket_(std::move(socket)), timer_(socket_.get_executor()) {
      socket_.set_option(tcp::no_delay(true));
    }

    void read() {
      asio::async_read(socket_, asio::buffer(&request_, sizeof request_),
                       [self = shared_from_this()](const boost::system::error_code& error, std::size_t /*bytes*/) {
                         if (!error && self->request_.bytes <= most_message_bytes) self->read_body();
                       });
    }

   private:
    void read_body() {
      body_.resize(request_.bytes);
      asio::async_read(socket_, asio::buffer(body_),
                       [self = shared_from_this()](const boost::system::error_code& error, std::size_t /*bytes*/) {
                         if (!error) self->decide();
                       });
    }

    void decide() {
      const Decision decision = state_.decide(request_.number, body_);
      answers_.fill(decision.answer);
      timer_.expires_after(decision.after);
      timer_.async_wait([self = shared_from_this(), fault = decision.fault](const boost::system::error_code& error) {
        if (!error) self->answer(fault);
      });
    }

    void answer(Fault fault) {
      if (fault == Fault::never_answers) return read();  // until the other end has had enough of it
      const bool cut = fault == Fault::closes_in_the_middle;
      const std::size_t bytes = cut                             ? sizeof(Answer) / 2
                                : fault == Fault::answers_twice ? 2 * sizeof(Answer)
                                                                : sizeof(Answer);
      asio::async_write(
          socket_, asio::buffer(answers_.data(), bytes),
          [self = shared_from_this(), cut](const boost::system::error_code& error, std::size_t /*bytes*/) {
            if (!error && !cut) self->read();
          });
    }

    State& state_;
    tcp::socket socket_;
    asio::steady_timer timer_;
    Request request_{};
    std::string body_;
    std::array<Answer, 2> answers_{};
  };

  void accept() {
    acceptor_.async_accept([this](const boost::system::error_code& error, tcp::socket socket) {
      if (!error) std::make_shared<Connection>(*this, std::move(socket))->read();
      accept();
    });
  }

  Decision decide(std::uint64_t number, std::string_view body) {
    Decision decision;
    decision.answer = {number, Verdict::refused, 0};
    if (!contract_.allow(Clock::now().time_since_epoch())) {  // at once: nobody has looked at it
      ++counts_.refused;
      return decision;
    }
    Seen& seen = seen_[number];
    // One stream of numbers for an order, so that a seed gives the same faults whatever comes first.
    harness::SplitMix64 random(harness::SplitMix64::mix(options_.seed ^ (number << 8)) + seen.requests++);
    decision.after = answer_time(random);
    if (seen.faults < options_.most_faults && random.uniform() < options_.fault_share) {
      ++seen.faults;
      ++counts_.faults;
      decision.fault = static_cast<Fault>(1 + random.below(kinds_of_fault));
    }
    if (decision.fault == Fault::refuses) return decision;
    if (decision.fault == Fault::answers_late) decision.after += milliseconds(options_.late_ms);
    if (!seen.accepted) ++counts_.accepted;
    seen.accepted = true;
    decision.answer = {number, Verdict::accepted, receipt_for(body)};
    return decision;
  }

  static Clock::duration milliseconds(double ms) {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double, std::milli>(ms));
  }

  Clock::duration answer_time(harness::SplitMix64& random) const {
    // Box and Muller; the median of a log-normal lies below its mean.
    constexpr double pi = 3.14159265358979323846;
    const double normal = std::sqrt(-2 * std::log(1 - random.uniform())) * std::cos(2 * pi * random.uniform());
    return milliseconds(options_.mean_ms * std::exp(options_.sigma * normal - options_.sigma * options_.sigma / 2));
  }

  const PartnerOptions options_;
  Limiter contract_;
  asio::io_context context_{1};
  tcp::acceptor acceptor_;
  std::unordered_map<std::uint64_t, Seen> seen_;
  PartnerCounts counts_;
};

Partner::Partner(const PartnerOptions& options) : state_(std::make_unique<State>(options)) {}
Partner::~Partner() = default;

std::uint16_t Partner::port() const {
  return state_->port();
}
void Partner::run() {
  state_->run();
}
void Partner::stop() {
  state_->stop();
}
PartnerCounts Partner::counts() const {
  return state_->counts();
}

}  // namespace plateau::order_batch
