// From Beast's request to what the rules of the debug server look at.
#pragma once

#include "profiling/http/debug_request.hpp"
#include "profiling/http/http_answer.hpp"

namespace plateau {

// Refers to `request`.
RequestHead head_of(const HttpRequest& request);

}  // namespace plateau
