#include "profiling/http/request_reader.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>

namespace plateau {

namespace beast = boost::beast;
namespace http = boost::beast::http;

namespace {

constexpr std::size_t smallest_body = 4096;     // that is taken from the heap
constexpr std::size_t bytes_of_last_chunk = 7;  // "\r\n0\r\n\r\n"

bool is_control(char character) {
  const auto byte = static_cast<unsigned char>(character);
  return (byte < ' ' && byte != '\t') || byte == 0x7f;
}

bool has_bare_line_feed(std::string_view lines) {
  for (std::size_t at = lines.find('\n'); at != std::string_view::npos; at = lines.find('\n', at + 1)) {
    if (at == 0 || lines[at - 1] != '\r') return true;
  }
  return false;
}

}  // namespace

RequestReader::RequestReader(const HttpLimits& limits, HttpAllocator memory, BodyBudget& budget)
    : limits_(limits),
      budget_(budget),
      request_(std::piecewise_construct, std::make_tuple(memory), std::make_tuple(memory)),
      most_body_bytes_(limits.body_bytes) {
  header_limit(limits.head_bytes);
  body_limit(limits.body_bytes);
  eager(false);  // one step a call, so that its bytes can be counted
}

std::size_t RequestReader::take(std::string_view bytes) {
  std::size_t taken = 0;
  while (!refusal_ && !is_done() && bytes.size() - taken >= least_to_parse()) {
    const std::string_view rest = bytes.substr(taken);
    step_ = is_header_done() ? Step::body : Step::head;
    extension_bytes_ = 0;
    ErrorCode error;
    const std::size_t used = put(boost::asio::buffer(rest), error);
    taken += used;
    if (!error || error == http::error::need_more) count(used);
    if (error == http::error::need_more) {
      check_unread_head(rest.substr(used));
      break;
    }
    if (!error || refusal_) continue;
    if (error == http::error::header_limit) {
      refuse(431, "the request's head is too large");
    } else if (error == http::error::body_limit) {
      refuse(413, "the request's body is too large");
    } else {
      refuse(400, "the request is no HTTP: " + error.message());
    }
  }
  return taken;
}

void RequestReader::refuse(unsigned status, std::string_view reason) {
  if (!refusal_) refusal_ = error_answer(status, reason);
}

bool RequestReader::must_continue() {
  if (!is_header_done() || is_done()) return false;
  return std::exchange(expects_continue_, false) && request_.body().empty();
}

// Five bytes are still to come of any body in chunks ("0\r\n\r\n"), and Beast asserts that it sees so many of its end.
std::size_t RequestReader::least_to_parse() const {
  return is_header_done() && chunked() ? 5 : 1;
}

void RequestReader::count(std::size_t used) {
  if (step_ == Step::head) head_bytes_ += used;
  if (step_ == Step::last_chunk) head_bytes_ += used - std::min(used, bytes_of_last_chunk);
  if (step_ == Step::chunk_line) {
    head_bytes_ += extension_bytes_;
    framing_bytes_ += used - extension_bytes_;
  }
  if (head_bytes_ > limits_.head_bytes) refuse(431, "the request's head, with trailers and extensions, is too large");
  if (framing_bytes_ > limits_.framing_bytes) refuse(413, "the request's chunks are too many");
}

// All that the parser has left is of a head, since it takes any byte of a body. It waits for an empty line before it
// looks at a head again: a client that ends lines by a line feed alone would wait for it, too.
void RequestReader::check_unread_head(std::string_view left) {
  const std::size_t line = is_header_done() ? longest_chunk_line : 0;
  if (head_bytes_ + left.size() >= limits_.head_bytes + line) {
    refuse(431, "the request's head, with trailers and extensions, is too large");
  } else if (!is_header_done() && has_bare_line_feed(left)) {
    refuse(400, "the request is no HTTP: lines end with a carriage return and a line feed");
  }
}

void RequestReader::on_request_impl(http::verb method, View method_text, View target, int version,
                                    ErrorCode& /*error*/) {
  if (method == http::verb::unknown) {
    request_.method_string(method_text);
  } else {
    request_.method(method);
  }
  request_.target(target);
  request_.version(static_cast<unsigned>(version));
}

void RequestReader::on_field_impl(http::field field, View name, View value, ErrorCode& error) {
  if (++fields_ > limits_.fields) {
    refuse(431, "the request has more than " + std::to_string(limits_.fields) + " fields");
    error = http::error::header_limit;
  } else if (!is_header_done()) {
    request_.insert(field, name, value);
  }
}

// A body whose end is not certain must not be read: what one takes for a body is another's next request.
void RequestReader::on_header_impl(ErrorCode& error) {
  const auto codings = request_.count(http::field::transfer_encoding);
  if (codings > 1 || (codings > 0 && (request_.version() < 11 || request_.count(http::field::content_length) > 0))) {
    refuse(400, "the request's length is ambiguous");
  } else if (codings > 0 && !beast::iequals(request_[http::field::transfer_encoding], "chunked")) {
    refuse(501, "no transfer coding but chunked is understood");
  } else if (request_.version() >= 11 && request_.count(http::field::expect) > 0) {
    expects_continue_ =
        request_.count(http::field::expect) == 1 && beast::iequals(request_[http::field::expect], "100-continue");
    if (!expects_continue_) refuse(417, "nothing can be expected but 100-continue");
  }
  if (refusal_) error = http::error::bad_transfer_encoding;
}

void RequestReader::on_body_init_impl(const boost::optional<std::uint64_t>& length, ErrorCode& /*error*/) {
  if (length) most_body_bytes_ = std::min<std::uint64_t>(*length, limits_.body_bytes);
}

std::size_t RequestReader::on_body_impl(View piece, ErrorCode& error) {
  if (!make_room(piece.size())) {
    refuse(503, "the bodies of other requests take all the room there is; try again");
    error = http::error::body_limit;
    return 0;
  }
  request_.body().append(piece.data(), piece.size());
  return piece.size();
}

// Not by the string itself, which may take twice what is asked for. Its sizes are halves of the last one, so that all
// of them together, as in an arena, are no more than twice that.
bool RequestReader::make_room(std::size_t bytes) {
  auto& body = request_.body();
  const std::size_t needed = body.size() + bytes;
  if (needed <= body.capacity()) return true;
  std::size_t capacity = most_body_bytes_;
  while (capacity / 2 >= std::max(needed, smallest_body)) capacity /= 2;
  if (!budget_.take(capacity - claimed_bytes_)) return false;
  claimed_bytes_ = capacity;
  HttpRequestBody::value_type larger(body.get_allocator());
  larger.reserve(capacity);
  larger.append(body);
  body.swap(larger);
  return true;
}

void RequestReader::on_chunk_header_impl(std::uint64_t size, View extensions, ErrorCode& error) {
  step_ = size == 0 ? Step::last_chunk : Step::chunk_line;
  extension_bytes_ = extensions.size();
  // Beast lets a line feed pass between quotes, where other readers of the same bytes see the line's end.
  if (std::any_of(extensions.begin(), extensions.end(), is_control)) error = http::error::bad_chunk_extension;
}

std::size_t RequestReader::on_chunk_body_impl(std::uint64_t /*remaining*/, View piece, ErrorCode& error) {
  return on_body_impl(piece, error);
}

}  // namespace plateau
