#include "tests/profiling/http_grammar.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <random>
#include <string_view>
#include <utility>

namespace plateau::testing {
namespace {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::size_t below(std::size_t end) { return static_cast<std::size_t>(engine_() % end); }
  bool one_in(std::size_t count) { return below(count) == 0; }
  template <class T, std::size_t n>
  const T& of(const std::array<T, n>& choices) {
    return choices[below(n)];
  }
  std::string bytes(std::size_t count) {
    std::string text(count, '\0');
    for (char& one : text) one = static_cast<char>(engine_());
    return text;
  }
  std::string token(std::size_t longest) {
    constexpr std::string_view characters = "abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_.~!#$%&'*+^`|";
    std::string text(1 + below(longest), '\0');
    for (char& one : text) one = characters[below(characters.size())];
    return text;
  }

 private:
  std::mt19937_64 engine_;
};

// A request before it is written down.
struct Draft {
  std::string line;
  std::vector<std::string> fields;
  std::string head_end = "\r\n";
  std::vector<RepeatedText> rest;  // the body, as it is sent
  GeneratedRequest request;
};

std::string hexadecimal(std::size_t number, Random& random) {
  std::string text;
  do text.insert(text.begin(), "0123456789abcdef"[number % 16]);
  while ((number /= 16) > 0);
  if (random.one_in(2)) std::transform(text.begin(), text.end(), text.begin(), [](char c) { return std::toupper(c); });
  return std::string(random.one_in(4) ? random.below(4) : 0, '0') + text;
}

std::string extension(Random& random) {
  const std::array<std::string, 5> forms{";" + random.token(10), ";a=" + random.token(10), ";a=\"b;c \\\" d\"",
                                         " ; a = b", ";a;b;c=\"\""};
  return random.of(forms);
}

void send_in_chunks(Draft& draft, Random& random) {
  draft.fields.emplace_back("Transfer-Encoding: chunked");
  std::string wire;
  const std::string& body = draft.request.body;
  for (std::size_t at = 0; at < body.size();) {
    const std::size_t size = std::min(body.size() - at, 1 + random.below(random.one_in(2) ? 10 : 40'000));
    wire += hexadecimal(size, random) + (random.one_in(50) ? extension(random) : "") + "\r\n";
    wire.append(body, at, size).append("\r\n");
    at += size;
  }
  wire += "0" + (random.one_in(4) ? extension(random) : "") + "\r\n";
  for (std::size_t i = random.one_in(3) ? random.below(5) : 0; i > 0; --i) {
    wire +=
        random.of(std::array<std::string, 3>{"X-Sum: 1", "Host: evil.example", "Sec-Fetch-Site: cross-site"}) + "\r\n";
  }
  draft.rest.push_back({wire + "\r\n"});
}

void send_with_length(Draft& draft) {
  draft.fields.push_back("Content-Length: " + std::to_string(draft.request.body.size()));
  draft.rest.push_back({draft.request.body});
}

std::string harmless_field(Random& random) {
  const std::array<std::string, 8> fields{"User-Agent: " + random.token(60),
                                          "Accept:text/html",
                                          "X-Empty:",
                                          "x-TABS:\t a \t",
                                          "X-Folded: one\r\n  two\r\n\tthree",
                                          "X-Folded:\r\n \r\n late",
                                          "X-Bytes: \x80\xff\xe2\x82",
                                          "Trailer: X-Sum"};
  return random.of(fields);
}

Draft well_formed(Random& random) {
  Draft draft;
  draft.fields.push_back(random.of(
      std::array<std::string, 4>{"Host: localhost", "hOST:127.0.0.1:6060", "Host: [::1]", "Host:\t localhost:80 "}));
  for (std::size_t i = random.below(6); i > 0; --i) draft.fields.push_back(harmless_field(random));
  if (random.one_in(3)) {
    const bool heads = random.one_in(3);
    draft.request.is_head = heads;
    draft.line =
        std::string(heads ? "HEAD " : "GET ") +
        random.of(std::array<std::string, 3>{"/metrics", "/debug/pprof/heap?debug=1", "/debug/pprof/heap?%64ebug=1"}) +
        " HTTP/1.1";
    return draft;
  }
  draft.line = "POST /debug/pprof/symbol HTTP/1.1";
  draft.request.body = random.bytes(random.one_in(10) ? random.below(200'000) : random.below(300));
  if (random.one_in(8)) draft.fields.emplace_back("Expect: 100-Continue");
  if (random.one_in(2)) {
    // A body in the smallest chunks has much framing.
    draft.request.body.resize(std::min<std::size_t>(draft.request.body.size(), 30'000));
    send_in_chunks(draft, random);
  } else {
    send_with_length(draft);
  }
  return draft;
}

// Something that is wrong, and the status for it. `how` is given a well-formed draft, of which it keeps what it likes.
struct Fault {
  const char* name;
  unsigned status;
  void (*how)(Draft& draft, Random& random, const HttpLimits& limits);
};

void post(Draft& draft, std::vector<std::string> more_fields, std::vector<RepeatedText> rest) {
  draft.line = "POST /debug/pprof/symbol HTTP/1.1";
  draft.fields = {"Host: localhost"};
  draft.fields.insert(draft.fields.end(), more_fields.begin(), more_fields.end());
  draft.rest = std::move(rest);
}

void post_chunks(Draft& draft, std::vector<RepeatedText> rest) {
  post(draft, {"Transfer-Encoding: chunked"}, std::move(rest));
}

// Many times what is allowed, so that a server that holds all of it is seen.
constexpr std::size_t flood = 2'000'000;

const std::array faults{
    // clang-format off
    Fault{"a long field", 431, [](Draft& d, Random& r, const HttpLimits& l) { d.fields.push_back("X: " + std::string(l.head_bytes + r.below(30'000), 'x')); }},
    Fault{"a field without end", 431, [](Draft& d, Random&, const HttpLimits&) { d.head_end = "X: "; d.rest = {{"x", flood}}; }},
    Fault{"a long target", 431, [](Draft& d, Random& r, const HttpLimits& l) { d.line = "GET /" + std::string(l.head_bytes + r.below(30'000), 'x') + " HTTP/1.1"; }},
    Fault{"one field too many", 431, [](Draft& d, Random& r, const HttpLimits& l) { post(d, std::vector<std::string>(l.fields + r.below(50), "a:"), {}); }},
    Fault{"fields without end", 431, [](Draft& d, Random&, const HttpLimits&) { d.head_end.clear(); d.rest = {{"X: y\r\n", flood / 6}}; }},
    Fault{"a fold without end", 431, [](Draft& d, Random&, const HttpLimits&) { d.head_end = "X: y"; d.rest = {{"\r\n x", flood / 4}}; }},
    Fault{"trailers without end", 431, [](Draft& d, Random&, const HttpLimits&) { post_chunks(d, {{"1\r\na\r\n0\r\n"}, {"X: y\r\n", flood / 6}, {"\r\n"}}); }},
    Fault{"trailers just too long", 431, [](Draft& d, Random&, const HttpLimits& l) { post_chunks(d, {{"0\r\nX: "}, {"x", l.head_bytes}, {"\r\n\r\n"}}); }},
    Fault{"too many trailers", 431, [](Draft& d, Random&, const HttpLimits& l) { post_chunks(d, {{"0\r\n"}, {"a:\r\n", l.fields}, {"\r\n"}}); }},
    Fault{"an extension without end", 431, [](Draft& d, Random&, const HttpLimits&) { post_chunks(d, {{"1;"}, {"a", flood}, {"\r\na\r\n0\r\n\r\n"}}); }},
    Fault{"an extension in quotes without end", 431, [](Draft& d, Random&, const HttpLimits&) { post_chunks(d, {{"1;a=\""}, {"\r\n", flood / 2}, {"\"\r\na\r\n0\r\n\r\n"}}); }},
    Fault{"many small extensions", 431, [](Draft& d, Random&, const HttpLimits& l) { post_chunks(d, {{"9;abcdefghij\r\nabcdefghi\r\n", l.head_bytes / 10}, {"0\r\n\r\n"}}); }},
    Fault{"an extension of the last chunk", 431, [](Draft& d, Random&, const HttpLimits& l) { post_chunks(d, {{"0;"}, {"a", l.head_bytes}, {"\r\n\r\n"}}); }},
    Fault{"a size with zeros without end", 431, [](Draft& d, Random&, const HttpLimits&) { post_chunks(d, {{"0", flood}, {"1\r\na\r\n0\r\n\r\n"}}); }},
    Fault{"chunks of one byte", 413, [](Draft& d, Random&, const HttpLimits& l) { post_chunks(d, {{"1\r\na\r\n", l.body_bytes}, {"0\r\n\r\n"}}); }},
    Fault{"chunks just too long", 413, [](Draft& d, Random&, const HttpLimits& l) { post_chunks(d, {{"400\r\n" + std::string(1024, 'x') + "\r\n", l.body_bytes / 1024}, {"1\r\na\r\n0\r\n\r\n"}}); }},
    Fault{"a huge chunk", 413, [](Draft& d, Random& r, const HttpLimits& l) { post_chunks(d, {{r.of(std::array<std::string, 3>{"ffffffffffffffff", "7fffffff", hexadecimal(l.body_bytes + 1, r)}) + "\r\n"}, {"x", r.below(flood)}}); }},
    Fault{"a chunk whose size no number holds", 400, [](Draft& d, Random&, const HttpLimits&) { post_chunks(d, {{"10000000000000000\r\na"}}); }},
    Fault{"a chunk of no size", 400, [](Draft& d, Random& r, const HttpLimits&) { post_chunks(d, {{r.of(std::array<std::string, 5>{"\r\n", "x\r\n", "-1\r\n", "0x1\r\n", " 1\r\n"}) + "a\r\n0\r\n\r\n"}}); }},
    Fault{"a chunk longer than it says", 400, [](Draft& d, Random&, const HttpLimits&) { post_chunks(d, {{"3\r\nabcd\r\n0\r\n\r\n"}}); }},
    Fault{"a bare line feed in a chunk", 400, [](Draft& d, Random& r, const HttpLimits&) { post_chunks(d, {{r.of(std::array<std::string, 3>{"1\na\r\n0\r\n\r\n", "1;a\n\r\na\r\n0\r\n\r\n", "1;a=\"\n\"\r\na\r\n0\r\n\r\n"})}}); }},
    Fault{"a body just too long", 413, [](Draft& d, Random& r, const HttpLimits& l) { post(d, {"Content-Length: " + std::to_string(l.body_bytes + 1)}, {{"x", r.below(l.body_bytes + 1)}}); }},
    Fault{"a malformed length", 400, [](Draft& d, Random& r, const HttpLimits&) { post(d, {"Content-Length: " + r.of(std::array<std::string, 7>{"-1", "+1", "1x", "", "99999999999999999999", "0x1", "1 1"})}, {}); }},
    Fault{"two lengths", 400, [](Draft& d, Random& r, const HttpLimits&) { post(d, r.one_in(2) ? std::vector<std::string>{"Content-Length: 1", "Content-Length: 2"} : std::vector<std::string>{"Content-Length: 1, 2"}, {{"ab"}}); }},
    Fault{"a length, and chunks", 400, [](Draft& d, Random& r, const HttpLimits&) { std::vector<std::string> f{"Content-Length: 5", "Transfer-Encoding: chunked"}; if (r.one_in(2)) std::swap(f[0], f[1]); post(d, f, {{"0\r\n\r\n"}}); }},
    Fault{"a length, and another coding", 400, [](Draft& d, Random&, const HttpLimits&) { post(d, {"Content-Length: 5", "Transfer-Encoding: gzip"}, {{"0\r\n\r\n"}}); }},
    Fault{"chunks twice", 400, [](Draft& d, Random&, const HttpLimits&) { post(d, {"Transfer-Encoding: chunked", "Transfer-Encoding: chunked"}, {{"0\r\n\r\n"}}); }},
    Fault{"chunks of HTTP/1.0", 400, [](Draft& d, Random&, const HttpLimits&) { post_chunks(d, {{"0\r\n\r\n"}}); d.line = "POST /debug/pprof/symbol HTTP/1.0"; }},
    Fault{"another coding", 501, [](Draft& d, Random& r, const HttpLimits&) { post(d, {"Transfer-Encoding: " + r.of(std::array<std::string, 7>{"gzip", "identity", "gzip, chunked", "chunked, gzip", "xchunked", "chunked;q=1", ""})}, {{"0\r\n\r\n"}}); }},
    Fault{"another expectation", 417, [](Draft& d, Random&, const HttpLimits&) { d.fields.emplace_back("Expect: a miracle"); }},
    Fault{"no HTTP", 400, [](Draft& d, Random& r, const HttpLimits&) { d.line = r.of(std::array<std::string, 9>{"", " GET / HTTP/1.1", "GET /", "GET / HTTP/2.0", "GET  / HTTP/1.1", "GET / HTTP/1.1 ", "GET / http/1.1", "GET /a b HTTP/1.1", "\x16\x03\x01\x02"}); }},
    Fault{"empty lines without end", 400, [](Draft& d, Random&, const HttpLimits&) { d.line.clear(); d.fields.clear(); d.rest = {{"\r\n", flood / 2}}; }},
    Fault{"a bare line feed", 400, [](Draft& d, Random& r, const HttpLimits&) { if (r.one_in(2)) { d.fields.emplace_back("X: y\nZ: z"); } else { d.line += "\n"; } }},
    Fault{"a bare carriage return", 400, [](Draft& d, Random&, const HttpLimits&) { d.fields.emplace_back("X: y\rZ: z"); }},
    Fault{"a NUL", 400, [](Draft& d, Random& r, const HttpLimits&) { const std::string nul(1, '\0'); if (r.one_in(3)) { d.line = "GET /" + nul + " HTTP/1.1"; } else { d.fields.push_back(r.one_in(2) ? "X: a" + nul : "X" + nul + ": a"); } }},
    Fault{"a malformed field", 400, [](Draft& d, Random& r, const HttpLimits&) { d.fields.push_back(r.of(std::array<std::string, 5>{"X : y", ": y", "no colon", "X\x80: y", "X\xc3\xa9: y"})); }},
    Fault{"not one Host", 400, [](Draft& d, Random& r, const HttpLimits&) { if (r.one_in(2)) { d.fields.erase(d.fields.begin()); } else { d.fields.emplace_back("Host: localhost"); } d.request.stays_open = true; }},
    Fault{"a foreign Host", 403, [](Draft& d, Random&, const HttpLimits&) { d.fields[0] = "Host: evil.example"; d.request.stays_open = true; }},
    Fault{"a foreign page", 403, [](Draft& d, Random& r, const HttpLimits&) { d.fields.push_back(r.of(std::array<std::string, 4>{"Origin: null", "Origin: http://evil.example", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"})); d.request.stays_open = true; }},
    Fault{"a target of another form", 400, [](Draft& d, Random& r, const HttpLimits&) { d.line = "GET " + r.of(std::array<std::string, 4>{"http://localhost/metrics", "*", "localhost:80", "metrics"}) + " HTTP/1.1"; d.rest.clear(); std::erase_if(d.fields, [](const std::string& f) { return f.starts_with("Content") || f.starts_with("Transfer") || f.starts_with("Expect"); }); d.request.is_head = false; d.request.stays_open = true; }},
    Fault{"a method that is not allowed", 405, [](Draft& d, Random& r, const HttpLimits&) { const std::size_t end = d.line.find(' '); d.line = r.of(std::array<std::string, 6>{"PUT", "get", "TRACE", "PRI", "X!", "CONNECT"}) + d.line.substr(end); d.request.is_head = false; d.request.stays_open = true; }},
    Fault{"no end", 0, [](Draft& d, Random& r, const HttpLimits&) { post(d, {"Content-Length: 100"}, {{"x", r.below(100)}}); }},
    Fault{"no last chunk", 0, [](Draft& d, Random& r, const HttpLimits&) { post_chunks(d, {{r.of(std::array<std::string, 6>{"", "5\r\nab", "5\r\nabcde", "5\r\nabcde\r\n", "5\r\nabcde\r\n0\r\n", "0\r\n\r"})}}); }},
    // clang-format on
};

}  // namespace

GeneratedRequest generate_request(std::uint64_t seed, const HttpLimits& limits) {
  Random random(seed);
  Draft draft = well_formed(random);
  draft.request.name = "well-formed";
  if (random.one_in(2)) {
    const Fault& fault = random.of(faults);
    draft.request.name = fault.name;
    draft.request.status = fault.status;
    draft.request.stays_open = false;
    fault.how(draft, random, limits);
    if (!draft.request.stays_open) draft.request.is_head = false;  // it was not even understood as one
  }
  std::string head;
  if (!draft.line.empty() || !draft.fields.empty()) head = draft.line + "\r\n";
  for (const std::string& field : draft.fields) head += field + "\r\n";
  draft.request.bytes.push_back({head + draft.head_end});
  for (RepeatedText& one : draft.rest) draft.request.bytes.push_back(std::move(one));
  return std::move(draft.request);
}

}  // namespace plateau::testing
