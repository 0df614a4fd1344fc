// Pages that need nothing but a browser: a template, built from labs/report/page, and data within it.
#pragma once

#include <string>
#include <string_view>

namespace plateau::report {

// The page of that name as the build made it, from the folder `pages` beside the running program. Throws
// std::runtime_error, in one line, when it is not there.
std::string load_page(std::string_view name);

// The report's page with `data`, a JSON text, in it, compressed. Throws std::runtime_error when `page` has no place for
// it.
std::string with_data(std::string page, std::string_view data);

}  // namespace plateau::report
