#include <array>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <utility>

#include "leakdemo/leaks/leak.hpp"

namespace plateau::leakdemo {
namespace {

struct Chart {
  std::array<double, 512> points{};
};

using Observers = std::list<std::function<void(double)>>;

class ForgottenCharts final : public Service {
 public:
  // The fault: the page is closed, and the price goes on to be told to its chart.
  [[gnu::noinline]] void open_page() {
    observers_.emplace_back([chart = std::make_shared<Chart>()](double price) { chart->points[0] = price; });
  }
  void operate(std::uint64_t i) override {
    open_page();
    observers_.back()(static_cast<double>(i));
  }

 private:
  Observers observers_;
};

class Subscription {
 public:
  Subscription(Observers& all, Observers::value_type observer)
      : all_(all), own_(all.insert(all.end(), std::move(observer))) {}
  ~Subscription() { all_.erase(own_); }
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

 private:
  Observers& all_;
  const Observers::iterator own_;
};

class SubscribedCharts final : public Service {
 public:
  // The repair: the page owns its subscription, which ends with it.
  [[gnu::noinline]] std::unique_ptr<Subscription> open_page() {
    return std::make_unique<Subscription>(
        observers_, [chart = std::make_shared<Chart>()](double price) { chart->points[0] = price; });
  }
  void operate(std::uint64_t i) override {
    const auto page = open_page();
    observers_.back()(static_cast<double>(i));
  }

 private:
  Observers observers_;
};

}  // namespace

constinit const Leak observer_never_removed{
    .name = "observer_never_removed",
    .sentence = "every page subscribes to prices, and none unsubscribes",
    .kind = LeakKind::reachable,
    .place = {"Charts::open_page"},
    .operations = 4'000,
    .bytes_per_operation = sizeof(Chart) + 16 + sizeof(Observers::value_type) + 16,  // control block, node of the list
    .make = fault_or_repair<ForgottenCharts, SubscribedCharts>,
};

}  // namespace plateau::leakdemo
