#include "tests/labs/served_lab.hpp"

#include <signal.h>

#include <iterator>
#include <stdexcept>

#include <boost/asio/buffer.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

namespace plateau::testing {
namespace asio = boost::asio;
namespace json = boost::json;
namespace {

std::vector<std::string> command(const std::string& program, const std::vector<std::string>& arguments) {
  std::vector<std::string> words{program, "serve", "--address", "127.0.0.1:0"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

const json::object& with_id(const json::value& list, std::string_view id) {
  for (const json::value& one : list.as_array()) {
    if (one.at("id").as_string() == id) return one.as_object();
  }
  throw std::runtime_error("there is no " + std::string(id));
}

}  // namespace

EventStream::EventStream(std::uint16_t port) : socket_(io_) {
  socket_.connect({asio::ip::address_v4::loopback(), port});
  asio::write(socket_, asio::buffer(request("GET", "/live/stream")));
  const std::size_t head = asio::read_until(socket_, asio::dynamic_buffer(buffer_), "\r\n\r\n");
  buffer_.erase(0, head);
}

json::value EventStream::next(std::string_view event, const Wanted& wanted) {
  for (;;) {
    const std::size_t length = asio::read_until(socket_, asio::dynamic_buffer(buffer_), "\n\n");
    const std::string text = buffer_.substr(0, length - 2);
    buffer_.erase(0, length);
    const std::size_t line_end = text.find('\n');
    constexpr std::string_view name = "event: ";
    constexpr std::string_view data = "data: ";
    if (text.substr(0, line_end) != std::string(name) + std::string(event)) continue;
    json::value found = json::parse(text.substr(line_end + 1 + data.size()));
    if (wanted(found)) return found;
  }
}

ServedLab::ServedLab(const std::string& program, std::vector<std::string> arguments)
    : program_(command(program, arguments)) {
  program_.close_input();
  const std::string line = program_.read_line();  // "LAB serves on http://127.0.0.1:PORT/ until Ctrl-C"
  const auto colon = line.rfind(':');
  if (colon == std::string::npos) throw std::runtime_error("it did not start: " + program_.rest_of_error());
  port_ = static_cast<std::uint16_t>(std::stoul(line.substr(colon + 1)));
  EventStream stream(port_);
  stream.next("sample");
  hello_ = EventStream(port_).next("hello");
}

std::size_t ServedLab::column(std::string_view id) const {
  const json::array& columns = hello_.at("columns").as_array();
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].at("id").as_string() == id) return i;
  }
  throw std::runtime_error("there is no column " + std::string(id));
}

HttpReply ServedLab::turn(const std::string& knob, const std::string& body) const {
  HttpClient client(port_);
  const std::string token = "X-Plateau-Token: " + std::string(hello_.at("token").as_string()) + "\r\n";
  client.send(request("POST", "/live/knobs/" + knob, token, body));
  return client.receive();
}

json::value ServedLab::knob(std::string_view id) const {
  return with_id(EventStream(port_).next("hello").at("knobs"), id);
}

int ServedLab::interrupt() {
  program_.signal(SIGINT);
  return program_.wait();
}

}  // namespace plateau::testing
