// Answers of the labs' own HTTP pages, in JSON.
#pragma once

#include <string_view>

#include <boost/json.hpp>

#include "profiling/http/http_answer.hpp"

namespace plateau::harness {

inline HttpAnswer json_answer(unsigned status, const boost::json::object& body) {
  return {.status = status,
          .content_type = "application/json",
          .body = boost::json::serialize(body) + "\n",
          .retry_later = status == 503};
}

// {"error": "one line"}
inline HttpAnswer json_error(unsigned status, std::string_view reason) {
  return json_answer(status, {{"error", reason}});
}

}  // namespace plateau::harness
