#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>

#include "leakdemo/leaks/leak.hpp"

namespace plateau::leakdemo {
namespace {

constexpr std::size_t page_bytes = 4096;

class UnboundedPageCache final : public Service {
 public:
  // The fault: every address ever asked for keeps its page.
  [[gnu::noinline]] const std::string& render(std::uint64_t address) {
    return pages_.try_emplace(address, page_bytes, '.').first->second;
  }
  void operate(std::uint64_t i) override { served_ += render(i).size(); }

 private:
  std::unordered_map<std::uint64_t, std::string> pages_;
  std::uint64_t served_ = 0;
};

class BoundedPageCache final : public Service {
 public:
  // The repair: the oldest page goes when there are too many.
  [[gnu::noinline]] const std::string& render(std::uint64_t address) {
    const auto [page, is_new] = pages_.try_emplace(address, page_bytes, '.');
    if (is_new) age_.push_back(address);
    if (age_.size() > most_pages) {
      pages_.erase(age_.front());
      age_.pop_front();
    }
    return page->second;
  }
  void operate(std::uint64_t i) override { served_ += render(i).size(); }

 private:
  static constexpr std::size_t most_pages = 100;
  std::unordered_map<std::uint64_t, std::string> pages_;
  std::deque<std::uint64_t> age_;
  std::uint64_t served_ = 0;
};

}  // namespace

constinit const Leak unbounded_cache{
    .name = "unbounded_cache",
    .sentence = "a cache of rendered pages never evicts any",
    .kind = LeakKind::reachable,
    .place = {"PageCache::render"},
    .operations = 4'000,
    .bytes_per_operation = page_bytes + 1 + sizeof(std::string) + 16,  // the text, and its node in the map
    .make = fault_or_repair<UnboundedPageCache, BoundedPageCache>,
};

}  // namespace plateau::leakdemo
