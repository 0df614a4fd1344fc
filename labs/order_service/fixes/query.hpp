// Fix "query": the text of an IN (…) query.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace plateau::order_service {

// `builder` holds the text; the view is of it and lasts until the next call.
std::string_view build_query_before(std::span<const std::uint32_t> order_numbers, std::string& builder);
std::string_view build_query_after(std::span<const std::uint32_t> order_numbers, std::string& builder);

}  // namespace plateau::order_service
