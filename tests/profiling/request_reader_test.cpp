// Protects the limits of a request that is read, to the byte, however it is cut into pieces.
#include "profiling/http/request_reader.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace plateau::testing {
namespace {

constexpr HttpLimits limits{
    .head_bytes = 200, .body_bytes = 10'000, .framing_bytes = 100, .fields = 8, .all_bodies_bytes = 15'000};
constexpr std::string_view start = "POST / HTTP/1.1\r\n";
constexpr std::string_view chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";

struct Outcome {
  unsigned status = 0;  // 200 complete, 0 neither complete nor refused
  std::string body;
  std::size_t most_left = 0;  // that was held between two pieces
  bool must_continue = false;
};

Outcome read(std::string_view bytes, std::size_t piece, BodyBudget& budget, const HttpLimits& within = limits) {
  RequestReader reader(within, HttpAllocator(), budget);
  Outcome outcome;
  std::string held;
  while (!bytes.empty() && !reader.is_complete() && !reader.refusal()) {
    const std::string_view next = bytes.substr(0, piece);
    bytes.remove_prefix(next.size());
    held += next;
    held.erase(0, reader.take(held));
    outcome.must_continue = outcome.must_continue || reader.must_continue();
    if (!reader.is_complete() && !reader.refusal()) outcome.most_left = std::max(outcome.most_left, held.size());
  }
  outcome.status = reader.is_complete() ? 200 : reader.refusal() ? reader.refusal()->status : 0;
  if (reader.is_complete()) outcome.body = reader.release().body();
  return outcome;
}

// The status, which must be the same for every cut.
unsigned status_of(std::string_view bytes, const HttpLimits& within = limits) {
  BodyBudget budget(within.all_bodies_bytes);
  const Outcome whole = read(bytes, bytes.size(), budget, within);
  for (const std::size_t piece : {1, 2, 3, 6, 7, 100}) {
    const Outcome cut = read(bytes, piece, budget, within);
    EXPECT_EQ(cut.status, whole.status) << "in pieces of " << piece;
    EXPECT_EQ(cut.body, whole.body) << "in pieces of " << piece;
    EXPECT_LT(cut.most_left, RequestReader::most_left(within));
  }
  return whole.status;
}

std::string repeated(std::string_view text, std::size_t times) {
  std::string all;
  while (times-- > 0) all += text;
  return all;
}

std::string head_of_bytes(std::size_t bytes) {
  const std::string front = std::string(start) + "X: ";
  return front + std::string(bytes - front.size() - 4, 'x') + "\r\n\r\n";
}

TEST(RequestReader, AHeadMayBeAsLongAsTheLimit) {
  EXPECT_EQ(status_of(head_of_bytes(200)), 200U);
  EXPECT_EQ(status_of(head_of_bytes(201)), 431U);
  EXPECT_EQ(status_of(head_of_bytes(100'000)), 431U);
}

// Beast begins to count anew where a piece ends behind a field.
TEST(RequestReader, AHeadThatComesFieldByFieldIsCountedAsAWhole) {
  constexpr HttpLimits many_fields{.head_bytes = 200, .fields = 1000};
  const std::string head = std::string(start) + repeated("X: y\r\n", 100) + "\r\n";
  for (std::size_t piece = 1; piece < 20; ++piece) {
    BodyBudget budget(0);
    EXPECT_EQ(read(head, piece, budget, many_fields).status, 431U) << piece;
  }
}

TEST(RequestReader, FieldsAreCounted) {
  EXPECT_EQ(status_of(std::string(start) + repeated("X: y\r\n", 8) + "\r\n"), 200U);
  EXPECT_EQ(status_of(std::string(start) + repeated("X: y\r\n", 9) + "\r\n"), 431U);
  EXPECT_EQ(status_of(std::string(chunked) + "0\r\n" + repeated("X: y\r\n", 7) + "\r\n"), 200U);
  EXPECT_EQ(status_of(std::string(chunked) + "0\r\n" + repeated("X: y\r\n", 8) + "\r\n"), 431U) << "with trailers";
}

TEST(RequestReader, TrailersAndExtensionsCountAsHead) {
  const std::size_t left = limits.head_bytes - chunked.size();
  const auto trailer = [](std::size_t bytes) {
    return std::string(chunked) + "1\r\na\r\n0\r\nX:" + std::string(bytes - 4, 'x') + "\r\n\r\n";
  };
  EXPECT_EQ(status_of(trailer(left)), 200U);
  EXPECT_EQ(status_of(trailer(left + 1)), 431U);
  EXPECT_EQ(status_of(trailer(100'000)), 431U);
  const auto extension = [](std::size_t bytes) {
    return std::string(chunked) + "1;" + std::string(bytes - 1, 'x') + "\r\na\r\n0\r\n\r\n";
  };
  EXPECT_EQ(status_of(extension(left)), 200U);
  EXPECT_EQ(status_of(extension(left + 1)), 431U);
  EXPECT_EQ(status_of(extension(100'000)), 431U);
  const auto both = [](std::size_t bytes) {
    return std::string(chunked) + "1;" + std::string(bytes - 1, 'x') + "\r\na\r\n0;y\r\nX:1\r\n\r\n";
  };
  EXPECT_EQ(status_of(both(left - 7)), 200U);
  EXPECT_EQ(status_of(both(left - 6)), 431U);
}

TEST(RequestReader, ABodyMayBeAsLongAsTheLimitHoweverItComes) {
  const auto with_length = [](std::size_t bytes) {
    return std::string(start) + "Content-Length: " + std::to_string(bytes) + "\r\n\r\n" + std::string(bytes, 'x');
  };
  EXPECT_EQ(status_of(with_length(10'000)), 200U);
  EXPECT_EQ(status_of(with_length(10'001)), 413U);
  const auto in_chunks = [](std::string_view rest) {
    return std::string(chunked) + "1388\r\n" + std::string(5000, 'x') + "\r\n1388\r\n" + std::string(5000, 'x') +
           "\r\n" + std::string(rest);
  };
  EXPECT_EQ(status_of(in_chunks("0\r\n\r\n")), 200U);
  EXPECT_EQ(status_of(in_chunks("1\r\nx\r\n0\r\n\r\n")), 413U);
}

TEST(RequestReader, FramingIsCounted) {
  EXPECT_EQ(status_of(std::string(chunked) + repeated("1\r\na\r\n", 20) + "0\r\n\r\n"), 200U);
  EXPECT_EQ(status_of(std::string(chunked) + repeated("1\r\na\r\n", 21) + "0\r\n\r\n"), 413U);
}

TEST(RequestReader, BodiesShareABudget) {
  BodyBudget budget(limits.all_bodies_bytes);
  const std::string request = std::string(start) + "Content-Length: 10000\r\n\r\n" + std::string(10'000, 'x');
  {
    RequestReader first(limits, HttpAllocator(), budget);
    first.take(request);
    ASSERT_TRUE(first.is_complete());
    const Outcome second = read(request, 1000, budget);
    EXPECT_EQ(second.status, 503U);
  }
  EXPECT_EQ(read(request, 1000, budget).status, 200U) << "and it is given back";
  EXPECT_TRUE(budget.take(limits.all_bodies_bytes));
}

// A length that was only said costs nothing.
TEST(RequestReader, ABodyTakesWhatHasCome) {
  BodyBudget budget(limits.all_bodies_bytes);
  RequestReader reader(limits, HttpAllocator(), budget);
  reader.take(std::string(start) + "Content-Length: 10000\r\n\r\nx");
  EXPECT_TRUE(budget.take(limits.all_bodies_bytes - 5000));
}

TEST(RequestReader, TrailersDoNotJoinTheFields) {
  BodyBudget budget(limits.all_bodies_bytes);
  RequestReader reader(limits, HttpAllocator(), budget);
  reader.take(std::string(chunked) + "0\r\nHost: evil.example\r\nX: y\r\n\r\n");
  ASSERT_TRUE(reader.is_complete());
  const HttpRequest request = reader.release();
  EXPECT_EQ(request.count("X") + request.count("Host"), 0U);
}

// What one takes for a body is another's next request.
TEST(RequestReader, ALengthThatIsNotCertainIsRefused) {
  const auto status = [](std::string_view fields) { return status_of(std::string(start) + std::string(fields)); };
  EXPECT_EQ(status("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"), 400U);
  EXPECT_EQ(status("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400U);
  EXPECT_EQ(status("Content-Length: 5\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n"), 400U);
  EXPECT_EQ(status("Transfer-Encoding: gzip\r\n\r\n"), 501U);
  EXPECT_EQ(status("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 501U);
  EXPECT_EQ(status("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400U);
  EXPECT_EQ(status_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400U);
  EXPECT_EQ(status("Content-Length: 3, 3\r\n\r\nabc"), 200U);
}

TEST(RequestReader, LineFeedsAloneEndNoLine) {
  EXPECT_EQ(status_of("GET / HTTP/1.1\nHost: localhost\n\n"), 400U);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nX: y\nHost: localhost\r\n\r\n"), 400U);
  EXPECT_EQ(status_of(std::string(chunked) + "1;a=\"\n\"\r\na\r\n0\r\n\r\n"), 400U);
}

TEST(RequestReader, ExpectationsAreMetOrRefused) {
  BodyBudget budget(limits.all_bodies_bytes);
  const std::string waits = std::string(start) + "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n";
  EXPECT_TRUE(read(waits, waits.size(), budget).must_continue);
  EXPECT_FALSE(read(waits + "abc", waits.size() + 3, budget).must_continue) << "the body is here already";
  EXPECT_FALSE(read(std::string(start) + "Expect: 100-continue\r\n\r\n", 1, budget).must_continue) << "there is none";
  EXPECT_FALSE(read("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", 1, budget).must_continue);
  EXPECT_EQ(status_of(std::string(start) + "Expect: a miracle\r\n\r\n"), 417U);
  EXPECT_EQ(status_of(std::string(start) + "Expect: 100-continue\r\nContent-Length: 10001\r\n\r\n"), 413U);
}

}  // namespace
}  // namespace plateau::testing
