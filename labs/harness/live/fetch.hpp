// A client of another HTTP server on this machine.
#pragma once

#include <cstdint>
#include <string_view>

#include <boost/asio/awaitable.hpp>

#include "profiling/http_answer.hpp"

namespace plateau::harness {

// Hands `request` on to the server on this port of 127.0.0.1, and gives its answer. Throws boost::system::system_error
// when that cannot be had.
boost::asio::awaitable<HttpAnswer> fetch(std::uint16_t port, const HttpRequest& request);

}  // namespace plateau::harness
