// Protects the rules by which the debug server reads a request: what is served, what is refused, and with which status.
#include "profiling/http/debug_request.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>

namespace plateau {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Profile nothing() {
  return Profile(std::vector<ValueType>{{"inuse_space", "bytes"}});
}

std::unique_ptr<Recording> no_recording(const RecordingOptions& /*options*/) {
  return nullptr;
}

// One source of each kind: of a moment and over time, of a moment only, over time only.
const std::array<ProfileSource, 3> profiles{
    ProfileSource{"heap", "", "", nothing, no_recording, {}},
    ProfileSource{"rss", "", "", nothing, {}, {}},
    ProfileSource{"profile", "", "", {}, no_recording, {}},
};

using Understood = std::variant<DebugRequest, Refusal>;

Understood ask(RequestHead head, RequestRules rules = {}) {
  rules.profiles = profiles;
  return understand(head, rules);
}

Understood get(std::string_view target) {
  return ask({.method = "GET", .target = target, .host = "127.0.0.1:6060"});
}

unsigned status_of(const Understood& understood) {
  const auto* const refusal = std::get_if<Refusal>(&understood);
  return refusal == nullptr ? 200 : refusal->status;
}

unsigned status_with_host(std::string_view host, RequestRules rules = {}) {
  return status_of(ask({.method = "GET", .target = "/metrics", .host = host}, rules));
}

const DebugRequest& request_of(const Understood& understood) {
  return std::get<DebugRequest>(understood);
}

TEST(DebugRequest, FindsEveryPage) {
  EXPECT_EQ(request_of(get("/debug/pprof/")).page, DebugPage::index);
  EXPECT_EQ(request_of(get("/debug/pprof")).page, DebugPage::index);
  EXPECT_EQ(request_of(get("/debug/")).page, DebugPage::processes);
  EXPECT_EQ(request_of(get("/debug")).page, DebugPage::processes);
  EXPECT_EQ(request_of(get("/debug/pprof/cmdline")).page, DebugPage::cmdline);
  EXPECT_EQ(request_of(get("/debug/pprof/symbol")).page, DebugPage::symbol);
  EXPECT_EQ(request_of(get("/debug/footprint")).page, DebugPage::footprint);
  EXPECT_EQ(request_of(get("/metrics")).page, DebugPage::metrics);
  for (const ProfileSource& source : profiles) {
    const Understood understood = get("/debug/pprof/" + source.name);
    EXPECT_EQ(request_of(understood).page, DebugPage::profile);
    EXPECT_EQ(request_of(understood).source, &source);
  }
}

TEST(DebugRequest, KnowsTheNamesOfGperftools) {
  EXPECT_EQ(request_of(get("/pprof/heap")).source, profiles.data());
  EXPECT_EQ(request_of(get("/pprof/symbol")).page, DebugPage::symbol);
  EXPECT_EQ(request_of(get("/pprof/cmdline")).page, DebugPage::cmdline);
}

TEST(DebugRequest, WhatIsNotThereIs404) {
  for (const char* const target : {"/debug/pprof/heaps", "/debug/pprof/heap/", "/heap", "/debug/pprof//heap",
                                   "/debug/pprof/../../etc/passwd", "/debug/pprof/%68eap"}) {
    EXPECT_EQ(status_of(get(target)), 404U) << target;
  }
}

TEST(DebugRequest, AMalformedTargetIs400) {
  for (const char* const target :
       {"", "*", "heap", "http://127.0.0.1/debug/pprof/heap", "/debug/pprof/heap?a=%zz", "/debug pprof"}) {
    EXPECT_EQ(status_of(get(target)), 400U) << target;
  }
}

TEST(DebugRequest, SecondsMustBeAPositiveWholeNumberWithinTheBound) {
  for (const char* const seconds : {"-1", "0", "1e9", "1.5", "", "+1", "0x10", "99999999999999999999", "601", "5s"}) {
    EXPECT_EQ(status_of(get("/debug/pprof/heap?seconds=" + std::string(seconds))), 400U) << seconds;
    EXPECT_EQ(status_of(get("/debug/pprof/profile?seconds=" + std::string(seconds))), 400U) << seconds;
  }
  EXPECT_EQ(request_of(get("/debug/pprof/heap?seconds=600")).seconds, std::chrono::seconds(600));
  EXPECT_FALSE(request_of(get("/debug/pprof/heap")).seconds.has_value());
}

TEST(DebugRequest, CpuTakesThirtySecondsUnlessToldOtherwise) {
  EXPECT_EQ(request_of(get("/debug/pprof/profile")).seconds, std::chrono::seconds(30));
  EXPECT_EQ(request_of(get("/debug/pprof/profile?seconds=3")).seconds, std::chrono::seconds(3));
}

TEST(DebugRequest, SecondsAndReadableTextExcludeEachOther) {
  EXPECT_EQ(status_of(get("/debug/pprof/heap?seconds=5&debug=1")), 400U);
  EXPECT_EQ(status_of(get("/debug/pprof/heap?seconds=5&debug=0")), 200U);
  EXPECT_EQ(status_of(get("/debug/pprof/profile?debug=1")), 400U);
  EXPECT_TRUE(request_of(get("/debug/pprof/heap?debug=1")).readable);
  EXPECT_TRUE(request_of(get("/debug/footprint?debug=1")).readable);
}

TEST(DebugRequest, AProfileOfAMomentHasNoDifference) {
  const Understood understood = get("/debug/pprof/rss?seconds=5");
  ASSERT_EQ(status_of(understood), 400U);
  EXPECT_THAT(std::get<Refusal>(understood).reason, HasSubstr("rss has no profile over time"));
}

TEST(DebugRequest, ParametersThatNobodyUnderstandsAreRefusedAndNamed) {
  for (const char* const target : {"/debug/pprof/heap?second=5", "/debug/footprint?second=5", "/debug/holders?gc=1",
                                   "/debug/footprint?gc=1&x", "/debug/pprof/?debug=1", "/debug/pprof/cmdline?a=b"}) {
    EXPECT_EQ(status_of(get(target)), 400U) << target;
  }
  EXPECT_THAT(std::get<Refusal>(get("/debug/footprint?second=5")).reason,
              HasSubstr("unknown parameter second; there are: debug, gc, seconds"));
  EXPECT_EQ(status_of(get("/metrics?name%5B%5D=up")), 200U) << "scrapers add their own";
}

TEST(DebugRequest, AFootprintPurgesFirstAndLooksTwice) {
  const Understood understood = get("/debug/footprint?gc=1&seconds=2&debug=1");
  EXPECT_TRUE(request_of(understood).purge_first);
  EXPECT_TRUE(request_of(understood).readable);
  EXPECT_EQ(request_of(understood).seconds, std::chrono::seconds(2));
  EXPECT_EQ(status_of(get("/debug/footprint?gc=yes")), 400U);
  EXPECT_EQ(request_of(get("/debug/holders?seconds=30")).seconds, std::chrono::seconds(30));
}

TEST(DebugRequest, OtherParameters) {
  const Understood understood = get("/debug/pprof/heap?gc=1&seconds=2&inuse=last");
  EXPECT_TRUE(request_of(understood).purge_first);
  EXPECT_TRUE(request_of(understood).keep_inuse);
  EXPECT_EQ(request_of(understood).seconds, std::chrono::seconds(2));
  EXPECT_EQ(status_of(get("/debug/pprof/heap?inuse=first")), 400U);
  EXPECT_EQ(status_of(get("/debug/pprof/heap?gc=yes")), 400U);
  EXPECT_EQ(status_of(get("/debug/pprof/heap?debug=-1")), 400U);
}

TEST(DebugRequest, OnlySymbolTakesPost) {
  const auto status = [](std::string_view method, std::string_view target) {
    return status_of(ask({.method = method, .target = target, .host = "localhost"}));
  };
  EXPECT_EQ(status("POST", "/debug/pprof/symbol"), 200U);
  EXPECT_EQ(status("HEAD", "/debug/pprof/heap"), 200U);
  for (const char* const method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "<unknown>"}) {
    EXPECT_EQ(status(method, "/debug/pprof/heap"), 405U) << method;
  }
  EXPECT_EQ(status("DELETE", "/debug/pprof/symbol"), 405U);
}

// A page of a foreign site that points its own name at this address (DNS rebinding) sends that name.
TEST(DebugRequest, AForeignHostIsRefused) {
  for (const char* const host :
       {"localhost", "LocalHost:6060", "127.0.0.1", "127.0.0.1:6060", "127.1.2.3", "[::1]:6060"}) {
    EXPECT_EQ(status_with_host(host), 200U) << host;
  }
  for (const char* const host : {"evil.example", "evil.example:6060", "localhost.evil.example", "192.0.2.1",
                                 "[2001:db8::1]:6060", "localhost.", "0x7f.1"}) {
    EXPECT_EQ(status_with_host(host), 403U) << host;
  }
  for (const char* const host :
       {"user@localhost", "localhost:port", "[::1", "a b", "localhost/", "127.0.0.1.evil.example"}) {
    EXPECT_EQ(status_with_host(host), 400U) << host;
  }
  EXPECT_EQ(status_of(ask({.method = "GET", .target = "/metrics"})), 400U) << "no Host at all";
}

TEST(DebugRequest, ARemoteServerIsCalledByNumberOrByAGivenName) {
  const std::array<std::string, 1> names{"service.internal"};
  const RequestRules remote{.loopback = false, .host_names = names};
  EXPECT_EQ(status_with_host("192.0.2.1:6060", remote), 200U);
  EXPECT_EQ(status_with_host("Service.Internal:6060", remote), 200U);
  EXPECT_EQ(status_with_host("service.internal.:6060", remote), 200U) << "a complete name";
  EXPECT_EQ(status_with_host("evil.example", remote), 403U);
}

TEST(DebugRequest, AllNamesOfADomainCanBeGiven) {
  const std::array<std::string, 1> names{"*.orders.svc"};
  const RequestRules rules{.host_names = names};
  for (const char* const host : {"a.orders.svc", "a.b.Orders.svc:6060"}) {
    EXPECT_EQ(status_with_host(host, rules), 200U) << host;
  }
  for (const char* const host : {"orders.svc", ".orders.svc", "aorders.svc", "a.orders.svc.evil.example", "*"}) {
    EXPECT_NE(status_with_host(host, rules), 200U) << host;
  }
}

TEST(DebugRequest, ARefusalNamesTheHostAndWhereNamesAreListed) {
  const auto reason = [](const RequestRules& rules) {
    return std::get<Refusal>(ask({.method = "GET", .target = "/metrics", .host = "orders:6060"}, rules)).reason;
  };
  EXPECT_THAT(reason({.host_names_setting = "HOSTS"}),
              AllOf(HasSubstr("host, orders;"), HasSubstr("list the name in HOSTS")));
  EXPECT_THAT(reason({}), Not(HasSubstr("list")));
}

TEST(DebugRequest, WhereNoBrowserComesTheHostMayBeAnything) {
  const RequestRules rules{.any_host = true};
  for (const char* const host : {"d", "evil.example", "", "a b"})
    EXPECT_EQ(status_with_host(host, rules), 200U) << host;
  EXPECT_EQ(status_of(ask({.method = "GET", .target = "/metrics"}, rules)), 200U) << "no Host at all";
  EXPECT_EQ(status_of(ask({.method = "GET", .target = "/metrics", .origin = "http://evil.example"}, rules)), 403U);
}

TEST(DebugRequest, PagesOfAnotherSiteAreRefused) {
  const auto status = [](std::string_view method, std::string_view origin) {
    return status_of(
        ask({.method = method, .target = "/debug/pprof/symbol", .host = "localhost:6060", .origin = origin}));
  };
  EXPECT_EQ(status("POST", "http://localhost:6060"), 200U);
  for (const char* const origin : {"http://evil.example", "null", "https://localhost:6060", "http://localhost:8080"}) {
    EXPECT_EQ(status("POST", origin), 403U) << origin;
    EXPECT_EQ(status("GET", origin), 403U) << origin;
  }
}

// What browsers say of who made them ask: https://www.w3.org/TR/fetch-metadata/
struct Asked {
  std::string_view site;
  std::string_view mode = "no-cors";
  std::string_view dest = "image";
  std::string_view method = "GET";
};

unsigned status_asked(std::string_view target, const Asked& by) {
  return status_of(ask({.method = by.method,
                        .target = target,
                        .host = "localhost:6060",
                        .fetch_site = by.site,
                        .fetch_mode = by.mode,
                        .fetch_dest = by.dest}));
}

constexpr std::array every_page{"/",
                                "/debug/pprof/",
                                "/debug/pprof/cmdline",
                                "/debug/pprof/symbol",
                                "/debug/pprof/heap",
                                "/debug/pprof/heap?gc=1",
                                "/debug/pprof/profile?seconds=1",
                                "/pprof/heap",
                                "/debug/footprint",
                                "/metrics"};

// A picture, a script, a style sheet, a frame, and a fetch whose answer nobody can read: none has an Origin.
TEST(DebugRequest, PicturesOfAnotherSiteAreRefused) {
  for (const char* const target : every_page) {
    for (const char* const site : {"cross-site", "same-site", "", "unheard-of"}) {
      for (const char* const dest : {"image", "script", "style", "empty", "object"}) {
        EXPECT_EQ(status_asked(target, {.site = site, .dest = dest}), 403U) << target << " " << site << " " << dest;
      }
      EXPECT_EQ(status_asked(target, {.site = site, .mode = "navigate", .dest = "iframe"}), 403U) << target;
      EXPECT_EQ(status_asked(target, {.site = site, .mode = "cors", .dest = "document"}), 403U) << target;
    }
  }
  EXPECT_EQ(status_asked("/no/such/page", {.site = "cross-site"}), 403U) << "nor does it learn what there is";
}

TEST(DebugRequest, LinksOfAnotherSiteLeadToWhatOnlyShows) {
  const auto linked = [](std::string_view target, std::string_view method = "GET") {
    return status_asked(target, {.site = "cross-site", .mode = "navigate", .dest = "document", .method = method});
  };
  for (const char* const target : {"/", "/debug/pprof", "/debug/pprof/", "/debug/footprint", "/debug/footprint?debug=1",
                                   "/metrics", "/metrics?a=b"}) {
    EXPECT_EQ(linked(target), 200U) << target;
  }
  for (const char* const target : {"/debug/pprof/heap", "/debug/pprof/heap?gc=1", "/debug/pprof/profile?seconds=1",
                                   "/pprof/profile", "/debug/pprof/cmdline", "/debug/pprof/symbol?0x1",
                                   "/debug/footprint?gc=1", "/debug/footprint?debug=1&g%63=1", "/debug/holders"}) {
    EXPECT_EQ(linked(target), 403U) << target;
  }
  EXPECT_EQ(linked("/debug/pprof/symbol", "POST"), 403U) << "a form";
  EXPECT_EQ(linked("/metrics", "POST"), 403U) << "a form";
}

TEST(DebugRequest, ItsOwnPagesAndWhatTheUserTypesAreServed) {
  for (const char* const target : every_page) {
    EXPECT_EQ(status_asked(target, {.site = "same-origin", .mode = "cors", .dest = "empty"}), 200U) << target;
    EXPECT_EQ(status_asked(target, {.site = "same-origin", .mode = "navigate", .dest = "document"}), 200U) << target;
    EXPECT_EQ(status_asked(target, {.site = "none", .mode = "navigate", .dest = "document"}), 200U) << target;
  }
  EXPECT_EQ(
      status_asked("/debug/pprof/symbol", {.site = "same-origin", .mode = "cors", .dest = "empty", .method = "POST"}),
      200U);
}

TEST(DebugRequest, ReasonsAreOneLine) {
  for (const char* const target : {"/nothing", "*", "/debug/pprof/heap?seconds=-1", "/debug/pprof/rss?seconds=1"}) {
    const Understood understood = get(target);
    EXPECT_THAT(std::get<Refusal>(understood).reason, Not(HasSubstr("\n"))) << target;
  }
}

}  // namespace
}  // namespace plateau
