#include "profiling/http/debug_request.hpp"

#include <algorithm>
#include <charconv>
#include <initializer_list>

#include <boost/url.hpp>

namespace plateau {
namespace {

namespace urls = boost::urls;

constexpr std::chrono::seconds default_recording{30};  // as Go's net/http/pprof

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool is_loopback(const urls::authority_view& authority) {
  if (authority.host_type() == urls::host_type::ipv4) return authority.host_ipv4_address().is_loopback();
  return authority.host_type() == urls::host_type::ipv6 && authority.host_ipv6_address().is_loopback();
}

// As it is spelled, without its end if it is very long.
std::string host_name(const urls::authority_view& authority) {
  constexpr std::size_t longest_name = 255;
  const auto spelled = authority.encoded_host();
  return {spelled.data(), std::min(spelled.size(), longest_name)};
}

// A name that is complete may end in a dot.
bool is_called(std::string_view host, std::string_view name) {
  if (host.ends_with('.')) host.remove_suffix(1);
  const auto same = [](std::string_view left, std::string_view right) {
    return urls::grammar::ci_is_equal(urls::string_view(left.data(), left.size()),
                                      urls::string_view(right.data(), right.size()));
  };
  if (!name.starts_with("*.")) return same(host, name);
  const std::string_view end = name.substr(1);
  return host.size() > end.size() && same(host.substr(host.size() - end.size()), end);
}

// A page of a foreign site can make a browser call a name that it points at this address (DNS rebinding), but it cannot
// make the browser send another name than its own. A number is no name.
bool is_own_name(const urls::authority_view& authority, const RequestRules& rules) {
  const urls::host_type type = authority.host_type();
  if (type == urls::host_type::ipv4 || type == urls::host_type::ipv6) return !rules.loopback || is_loopback(authority);
  if (type != urls::host_type::name) return false;
  const std::string host = host_name(authority);
  if (urls::grammar::ci_is_equal(host, "localhost")) return true;
  return std::any_of(rules.host_names.begin(), rules.host_names.end(),
                     [&host](std::string_view name) { return is_called(host, name); });
}

Refusal unknown_name(const urls::authority_view& authority, const RequestRules& rules) {
  std::string reason =
      "the Host field names another host, " + host_name(authority) + "; call this server by its number or as localhost";
  if (!rules.host_names_setting.empty()) {
    reason += ", or list the name in " + std::string(rules.host_names_setting);
  }
  return {403, std::move(reason)};
}

std::optional<Refusal> refuse_method(const RequestHead& head, DebugPage page) {
  if (head.method == "GET" || head.method == "HEAD") return std::nullopt;
  if (page != DebugPage::symbol) return Refusal{405, "use GET", "GET, HEAD"};
  if (head.method == "POST") return std::nullopt;
  return Refusal{405, "use GET or POST", "GET, HEAD, POST"};
}

// The page at a path; DebugPage::profile comes with its source. gperftools' names are under /pprof.
std::optional<DebugRequest> find_page(std::string_view path, std::span<const ProfileSource> profiles) {
  DebugRequest request;
  const auto page = [&request](DebugPage found) {
    request.page = found;
    return request;
  };
  if (path == "/debug/footprint") return page(DebugPage::footprint);
  if (path == "/debug/holders") return page(DebugPage::holders);
  if (path == "/metrics") return page(DebugPage::metrics);
  if (path == "/debug" || path == "/debug/") return page(DebugPage::processes);
  if (path == "/" || path == "/debug/pprof" || path == "/debug/pprof/") return page(DebugPage::index);
  for (const std::string_view prefix : {"/debug/pprof/", "/pprof/"}) {
    if (!path.starts_with(prefix)) continue;
    const std::string_view name = path.substr(prefix.size());
    if (name == "cmdline") return page(DebugPage::cmdline);
    if (name == "symbol") return page(DebugPage::symbol);
    const auto source =
        std::find_if(profiles.begin(), profiles.end(), [name](const ProfileSource& one) { return one.name == name; });
    if (source == profiles.end()) return std::nullopt;
    request.source = &*source;
    return page(DebugPage::profile);
  }
  return std::nullopt;
}

// Looking at these changes nothing. Other servers with these rules have theirs at the same paths.
bool only_shows(std::string_view target) {
  const auto request = find_page(target.substr(0, target.find('?')), {});
  if (!request) return false;
  // A footprint can purge first.
  const std::string_view query = target.substr(std::min(target.find('?'), target.size()));
  const bool purges = !query.empty() && query != "?debug=1";
  return request->page == DebugPage::index || request->page == DebugPage::processes ||
         (request->page == DebugPage::footprint && !purges) || request->page == DebugPage::metrics;
}

// Fetch Metadata, https://www.w3.org/TR/fetch-metadata/: "none" is what the user typed or bookmarked. Another port of
// this machine is another origin of the "same-site", and as foreign as any.
bool comes_from_another_site(const RequestHead& head) {
  if (!head.fetch_site || *head.fetch_site == "same-origin" || *head.fetch_site == "none") return false;
  const bool follows_a_link = head.method == "GET" && head.fetch_mode == "navigate" && head.fetch_dest == "document";
  return !(follows_a_link && only_shows(head.target));
}

// The first parameter of that name, decoded.
std::optional<std::string> parameter(const urls::params_view& parameters, std::string_view name) {
  const auto found = parameters.find(urls::string_view(name.data(), name.size()));
  if (found == parameters.end()) return std::nullopt;
  return (*found).value;
}

// A number that is absent counts as 0.
std::optional<std::uint64_t> flag(const urls::params_view& parameters, std::string_view name) {
  return parse_number(parameter(parameters, name).value_or("0"));
}

// What is not understood is not left out: "?second=5" would be answered with something else than was meant.
std::optional<Refusal> refuse_unknown(const urls::params_view& parameters,
                                      std::initializer_list<std::string_view> known) {
  for (const auto& one : parameters) {
    if (std::find(known.begin(), known.end(), std::string_view(one.key)) != known.end()) continue;
    std::string names;
    for (const std::string_view name : known) names += (names.empty() ? "" : ", ") + std::string(name);
    return Refusal{400, "unknown parameter " + std::string(one.key) + (names.empty() ? "" : "; there are: " + names)};
  }
  return std::nullopt;
}

// `debug`, `gc`, `inuse` and the number of `seconds`, as far as a page has them.
std::optional<Refusal> read_common_parameters(const urls::params_view& parameters, const RequestRules& rules,
                                              DebugRequest& request) {
  const auto debug = flag(parameters, "debug");
  const auto gc = flag(parameters, "gc");
  if (!debug) return Refusal{400, "debug is not a number"};
  if (!gc) return Refusal{400, "gc is not a number"};
  request.readable = *debug > 0;
  request.purge_first = *gc > 0;
  if (const auto text = parameter(parameters, "seconds")) {
    const auto seconds = parse_number(*text);
    if (!seconds || *seconds == 0) return Refusal{400, "seconds is not a positive whole number"};
    if (*seconds > static_cast<std::uint64_t>(rules.longest.count())) {
      return Refusal{400, "seconds is more than " + std::to_string(rules.longest.count())};
    }
    request.seconds = std::chrono::seconds(*seconds);
  }
  return std::nullopt;
}

std::optional<Refusal> read_profile_parameters(const urls::params_view& parameters, const RequestRules& rules,
                                               DebugRequest& request) {
  const ProfileSource& source = *request.source;
  if (auto refusal = refuse_unknown(parameters, {"debug", "gc", "inuse", "seconds"})) return refusal;
  if (auto refusal = read_common_parameters(parameters, rules, request)) return refusal;
  if (const auto inuse = parameter(parameters, "inuse")) {
    if (*inuse != "last") return Refusal{400, "inuse can only be: last"};
    request.keep_inuse = true;
  }
  if (request.seconds && !source.record) {
    return Refusal{400, "seconds: " + source.name + " has no profile over time"};
  }
  if (!request.seconds && !source.snapshot) request.seconds = default_recording;
  if (request.seconds && request.readable) return Refusal{400, "seconds and debug cannot be had together"};
  return std::nullopt;
}

std::optional<Refusal> read_parameters(const urls::params_view& parameters, const RequestRules& rules,
                                       DebugRequest& request) {
  switch (request.page) {
    case DebugPage::profile:
      return read_profile_parameters(parameters, rules, request);
    case DebugPage::footprint:
      if (auto refusal = refuse_unknown(parameters, {"debug", "gc", "seconds"})) return refusal;
      return read_common_parameters(parameters, rules, request);
    case DebugPage::holders:
      if (auto refusal = refuse_unknown(parameters, {"debug", "seconds"})) return refusal;
      return read_common_parameters(parameters, rules, request);
    case DebugPage::index:
    case DebugPage::cmdline:
      return refuse_unknown(parameters, {});
    case DebugPage::symbol:   // the query is addresses
    case DebugPage::metrics:  // scrapers add their own
    case DebugPage::processes:
      break;
  }
  return std::nullopt;
}

std::optional<Refusal> refuse_host(const RequestHead& head, const RequestRules& rules) {
  if (rules.any_host) return std::nullopt;
  if (!head.host) return Refusal{400, "the request needs one Host field"};
  const auto authority = urls::parse_authority(*head.host);
  if (!authority || authority->has_userinfo()) return Refusal{400, "the Host field is malformed"};
  if (!is_own_name(*authority, rules)) return unknown_name(*authority, rules);
  return std::nullopt;
}

}  // namespace

std::optional<Refusal> refuse_foreigner(const RequestHead& head, const RequestRules& rules) {
  if (const auto refusal = refuse_host(head, rules)) return refusal;
  // Browsers send Origin with every POST, and with what scripts of another site ask for, but not with its pictures.
  const bool foreign_origin = head.origin && *head.origin != "http://" + std::string(head.host.value_or(""));
  if (foreign_origin || comes_from_another_site(head)) {
    return Refusal{403, "requests from pages of another site are refused"};
  }
  return std::nullopt;
}

std::variant<DebugRequest, Refusal> understand(const RequestHead& head, const RequestRules& rules) {
  if (const auto refusal = refuse_foreigner(head, rules)) return *refusal;
  const auto url = urls::parse_origin_form(head.target);
  if (!url) return Refusal{400, "the target is malformed"};
  auto request = find_page(url->encoded_path(), rules.profiles);
  if (!request) return Refusal{404, "no such page; /debug/pprof/ lists what there is"};
  if (const auto refusal = refuse_method(head, request->page)) return *refusal;
  request->query = url->encoded_query();
  request->html = head.accept.find("text/html") != std::string_view::npos;
  if (const auto refusal = read_parameters(url->params(), rules, *request)) return *refusal;
  return *request;
}

}  // namespace plateau
