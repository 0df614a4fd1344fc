// From Beast's request to what the rules of the debug server look at.
#pragma once

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include "profiling/debug_request.hpp"

namespace plateau {

// Refers to `request`.
RequestHead head_of(const boost::beast::http::request<boost::beast::http::string_body>& request);

}  // namespace plateau
