#include "tests/profiling/http_client.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <system_error>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>

#include "allocators/system/descriptor.hpp"

namespace plateau::testing {

namespace asio = boost::asio;
namespace http = boost::beast::http;

HttpClient::HttpClient(std::uint16_t port) : socket_(io_) {
  socket_.connect({asio::ip::address_v4::loopback(), port});
}

// To Asio it is one of TCP's: nothing is asked of it but to read and write.
HttpClient::HttpClient(const std::string& socket_file) : socket_(io_) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket_file.copy(address.sun_path, sizeof address.sun_path - 1);
  Descriptor connected(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(connected.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::system_error(errno, std::generic_category(), "cannot connect to " + socket_file);
  }
  socket_.assign(asio::ip::tcp::v4(), connected.release());
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

HttpReply get(const std::string& socket_file, std::string_view target) {
  HttpClient client(socket_file);
  client.send(request("GET", target));
  return client.receive();
}

HttpReply get_from_host(std::uint16_t port, const std::string& host, std::string_view target) {
  HttpClient client(port);
  client.send("GET " + std::string(target) + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
  return client.receive();
}

}  // namespace plateau::testing
