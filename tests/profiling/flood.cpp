#include "tests/profiling/flood.hpp"

#include <chrono>
#include <fstream>
#include <stdexcept>

#include "tests/profiling/raw_http_client.hpp"

namespace plateau::testing {
namespace {

constexpr std::size_t flood_bytes = std::size_t{32} << 20;

long highest_resident_kb(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  const std::string key = "VmHWM:";
  for (std::string word; status >> word;) {
    long kb = 0;
    if (word == key && status >> kb) return kb;
  }
  throw std::runtime_error("no process " + std::to_string(process));
}

std::string repeated(std::string_view text, std::size_t bytes) {
  std::string all;
  while (all.size() < bytes) all += text;
  return all;
}

}  // namespace

std::vector<Flood> floods(std::string_view target) {
  const std::string head = "POST " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n";
  const std::string chunked = head + "Transfer-Encoding: chunked\r\n\r\n";
  const std::string fields = repeated("X: y\r\n", 60'000);
  return {{"fields", head, fields},
          {"trailers", chunked + "0\r\n", fields},
          {"extension", chunked + "4;", std::string(60'000, 'a')}};
}

FloodCost send_flood(const Flood& flood, std::uint16_t port, pid_t server) {
  const long before = highest_resident_kb(server);
  RawHttpClient client(port, std::chrono::seconds(20));
  bool takes_more = client.send(flood.begin);
  for (std::size_t sent = 0; takes_more && sent < flood_bytes; sent += flood.piece.size()) {
    takes_more = client.send(flood.piece);
  }
  const std::vector<RawAnswer> answers = parse_answers(client.receive_all());
  return {answers.empty() ? 0 : answers.front().status, highest_resident_kb(server) - before};
}

}  // namespace plateau::testing
