#include "labs/gc_pause/request.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "labs/harness/load/random.hpp"

namespace plateau::gc_pause {
using harness::SplitMix64;

namespace {

constexpr std::size_t corpus_bytes = 64 * 1024;  // beside a page
constexpr std::size_t longest_value = 64;
constexpr std::array<std::string_view, 16> words{"android", "checkout", "spring",  "banner", "desktop", "organic",
                                                 "search",  "mobile",   "tablet",  "winter", "sidebar", "partner",
                                                 "email",   "results",  "landing", "promo"};
constexpr std::array<std::string_view, 23> keys{"device",   "os",       "browser",  "page",     "referrer", "campaign",
                                                "language", "timezone", "screen",   "network",  "variant",  "currency",
                                                "cart",     "coupon",   "category", "position", "query",    "duration",
                                                "scroll",   "build",    "channel",  "consent",  "source"};
constexpr std::array<std::string_view, 8> names{"page_view_of_the_catalogue", "product_added_to_the_cart",
                                                "search_results_were_shown",  "session_was_resumed_again",
                                                "checkout_step_completed",    "payment_method_selected",
                                                "recommendation_clicked",     "newsletter_form_submitted"};
constexpr std::array<std::string_view, 6> locales{"en-GB", "de-CH", "fr-FR", "ja-JP", "pt-BR", "nb-NO"};
constexpr std::uint64_t stride = 7;  // prime to the number of keys, so that an event has no key twice

}  // namespace

RequestStream::RequestStream(std::uint64_t seed, std::uint64_t requests_per_generation, std::size_t page_bytes)
    : seed_(SplitMix64::mix(seed)),
      requests_per_generation_(std::max<std::uint64_t>(requests_per_generation, lanes)),
      page_bytes_(page_bytes) {
  SplitMix64 random(SplitMix64::mix(seed) ^ 0xe7e27);
  corpus_.reserve(corpus_bytes + page_bytes + 16);
  while (corpus_.size() < corpus_bytes + page_bytes) {
    corpus_ += words[random.below(words.size())];
    corpus_ += ' ';
  }
}

UserId RequestStream::user_of(std::uint64_t index) const {
  const std::uint64_t lane = index % lanes;
  const std::uint64_t users = std::max<std::uint64_t>(1, requests_per_generation_ / lanes / requests_per_session);
  return (SplitMix64::mix(seed_ ^ SplitMix64::mix(index)) % users) * lanes + lane;
}

void RequestStream::read(std::uint64_t index, Request& request) const {
  SplitMix64 random(seed_ ^ SplitMix64::mix(index + 1));
  UserInput& user = request.user;
  user.id = user_of(index);
  user.name = words[user.id % words.size()];
  const auto end =
      fmt::format_to_n(request.email.data(), request.email.size(), "{}.{}@customers.example.org", user.name, user.id);
  user.email = {request.email.data(), std::min(end.size, request.email.size())};
  user.locale = locales[user.id % locales.size()];
  user.page = std::string_view(corpus_).substr(SplitMix64::mix(user.id) % corpus_bytes, page_bytes_);
  user.tier = static_cast<std::uint32_t>(user.id % 4);

  for (EventInput& event : request.events) {
    event.name = names[random.below(names.size())];
    event.time_us = index * 1000 + random.below(1000);
    event.attribute_count = least_attributes + random.below(most_attributes - least_attributes + 1);
    std::uint64_t key = random.below(keys.size());
    for (std::size_t i = 0; i < event.attribute_count; ++i) {
      const std::uint64_t draw = random();
      const bool is_long = draw % 2 == 0;
      const std::size_t length = is_long ? 16 + (draw >> 8) % (longest_value - 16) : 0;
      event.attributes[i] = {
          keys[key], is_long ? std::string_view(corpus_).substr((draw >> 20) % (corpus_bytes - longest_value), length)
                             : words[(draw >> 8) % words.size()]};
      key = (key + stride) % keys.size();
    }
  }

  // Of a whole generation that is still there: a request of this lane in it names the user.
  request.read_age = 1 + random.below(generations - 1);
  const std::uint64_t first = generation_of(index) * requests_per_generation_;
  const std::uint64_t back = request.read_age * requests_per_generation_;
  request.read_user = 0;
  if (back > first) {
    request.read_age = 0;  // not so many yet
    return;
  }
  const std::uint64_t pick = random.below(requests_per_generation_ / lanes) * lanes;
  const std::uint64_t chosen = first - back + pick;
  request.read_user = user_of(chosen + (index + lanes - chosen % lanes) % lanes);
}

}  // namespace plateau::gc_pause
