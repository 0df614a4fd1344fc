#include "tests/profiling/http_client.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>

namespace plateau::testing {

namespace asio = boost::asio;
namespace http = boost::beast::http;

HttpClient::HttpClient(std::uint16_t port) : socket_(io_) {
  socket_.connect({asio::ip::address_v4::loopback(), port});
}

void HttpClient::send(std::string_view bytes) {
  asio::write(socket_, asio::buffer(bytes));
}

HttpReply HttpClient::receive(bool head_only) {
  http::response_parser<http::string_body> parser;
  parser.skip(head_only);
  parser.body_limit(boost::none);
  http::read(socket_, buffer_, parser);
  return parser.release();
}

std::string request(std::string_view method, std::string_view target, std::string_view fields, std::string_view body) {
  std::string text = std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n";
  text += fields;
  if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return text + "\r\n" + std::string(body);
}

HttpReply get(std::uint16_t port, std::string_view target, std::string_view fields) {
  HttpClient client(port);
  client.send(request("GET", target, fields));
  return client.receive();
}

}  // namespace plateau::testing
