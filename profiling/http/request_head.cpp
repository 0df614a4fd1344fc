#include "profiling/http/request_head.hpp"

#include <iterator>

namespace plateau {

namespace http = boost::beast::http;

namespace {

// The value of the one field of that name; `of_several` if it came more than once.
std::optional<std::string_view> value(const HttpRequest& request, http::field name,
                                      std::optional<std::string_view> of_several) {
  const auto [first, last] = request.equal_range(name);
  if (first == last) return std::nullopt;
  return std::next(first) == last ? std::string_view(first->value()) : of_several;
}

}  // namespace

RequestHead head_of(const HttpRequest& request) {
  return {.method = request.method_string(),
          .target = request.target(),
          .host = value(request, http::field::host, std::nullopt),
          .origin = value(request, http::field::origin, ""),
          .accept = request[http::field::accept],
          .fetch_site = value(request, http::field::sec_fetch_site, ""),
          .fetch_mode = value(request, http::field::sec_fetch_mode, "").value_or(""),
          .fetch_dest = value(request, http::field::sec_fetch_dest, "").value_or("")};
}

}  // namespace plateau
