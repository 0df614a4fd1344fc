// One HTTP request from bytes that come in pieces, within limits. No sockets and no clock, so that tests and a fuzzer
// can feed it anything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <boost/beast/http/basic_parser.hpp>

#include "profiling/http/http_answer.hpp"
#include "profiling/http/http_limits.hpp"

namespace plateau {

// Bytes that the bodies of several requests share. On one thread.
class BodyBudget {
 public:
  explicit BodyBudget(std::size_t bytes) : left_(bytes) {}
  BodyBudget(const BodyBudget&) = delete;
  BodyBudget& operator=(const BodyBudget&) = delete;

  // False, and nothing is taken, when fewer are left.
  bool take(std::size_t bytes) {
    if (bytes > left_) return false;
    left_ -= bytes;
    return true;
  }
  void give_back(std::size_t bytes) { left_ += bytes; }

 private:
  std::size_t left_;
};

// Beast's parser reads the syntax; the limits are kept here, since Beast counts neither trailers nor extensions of
// chunks, and begins to count a head anew whenever a piece ends behind a field. Trailers are read and dropped: a field
// that comes after the body must not decide what is done with it.
class RequestReader final : private boost::beast::http::basic_parser<true> {
 public:
  // Fields and body are taken from `memory`. `limits` and `budget` must outlive the reader, `memory` also the request.
  RequestReader(const HttpLimits& limits, HttpAllocator memory, BodyBudget& budget);
  ~RequestReader() override { budget_.give_back(claimed_bytes_); }
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  // Takes what it can use from the front of `bytes`, and returns how many bytes that were. The others must be given
  // again, with more behind them: fewer than most_left(), unless the request is complete or refused; those behind a
  // complete request belong to the next one. Throws std::bad_alloc.
  std::size_t take(std::string_view bytes);
  // Refuses the request from outside, for what the bytes do not show.
  void refuse(unsigned status, std::string_view reason);

  bool has_begun() const { return got_some(); }
  bool is_complete() const { return is_done() && !refusal_; }
  // The answer to a request that cannot be read. The connection cannot be used any further.
  const std::optional<HttpAnswer>& refusal() const { return refusal_; }
  // True once for a client that waits for "100 Continue" before it sends the body.
  bool must_continue();
  // The request, once it is complete. Call it once.
  HttpRequest release() { return std::move(request_); }

  static constexpr std::size_t most_left(const HttpLimits& limits) { return limits.head_bytes + longest_chunk_line; }

 private:
  using ErrorCode = boost::system::error_code;
  using View = boost::beast::string_view;

  // "\r\n", a size of 16 digits, "\r\n", and room for zeros in front.
  static constexpr std::size_t longest_chunk_line = 32;

  void on_request_impl(boost::beast::http::verb method, View method_text, View target, int version,
                       ErrorCode& error) override;
  void on_response_impl(int, View, int, ErrorCode&) override {}
  void on_field_impl(boost::beast::http::field field, View name, View value, ErrorCode& error) override;
  void on_header_impl(ErrorCode& error) override;
  void on_body_init_impl(const boost::optional<std::uint64_t>& length, ErrorCode& error) override;
  std::size_t on_body_impl(View piece, ErrorCode& error) override;
  void on_chunk_header_impl(std::uint64_t size, View extensions, ErrorCode& error) override;
  std::size_t on_chunk_body_impl(std::uint64_t remaining, View piece, ErrorCode& error) override;
  void on_finish_impl(ErrorCode&) override {}

  std::size_t least_to_parse() const;
  void count(std::size_t used);
  void check_unread_head(std::string_view left);
  bool make_room(std::size_t bytes);

  // Counts what one step of the parser read.
  enum class Step { head, body, chunk_line, last_chunk };

  const HttpLimits& limits_;
  BodyBudget& budget_;
  HttpRequest request_;
  std::optional<HttpAnswer> refusal_;
  bool expects_continue_ = false;
  Step step_ = Step::head;
  std::size_t extension_bytes_ = 0;  // of this step's chunk line
  std::size_t head_bytes_ = 0;       // so far, with trailers and extensions
  std::size_t framing_bytes_ = 0;
  std::size_t fields_ = 0;
  std::size_t most_body_bytes_ = 0;  // its length, if it was said, else the limit
  std::size_t claimed_bytes_ = 0;    // of the budget
};

}  // namespace plateau
