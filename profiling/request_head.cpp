#include "profiling/request_head.hpp"

#include <iterator>

namespace plateau {

namespace http = boost::beast::http;

namespace {

template <class Fields>
std::optional<std::string_view> only(const Fields& fields, http::field name) {
  const auto [first, last] = fields.equal_range(name);
  if (first == last || std::next(first) != last) return std::nullopt;
  return std::string_view(first->value());
}

}  // namespace

RequestHead head_of(const HttpRequest& request) {
  return {.method = request.method_string(),
          .target = request.target(),
          .host = only(request, http::field::host),
          .origin = request.count(http::field::origin) > 0
                        ? std::optional<std::string_view>(request[http::field::origin])
                        : std::nullopt,
          .accept = request[http::field::accept]};
}

}  // namespace plateau
