#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>

#include "leakdemo/leaks/leak.hpp"

namespace plateau::leakdemo {
namespace {

constexpr std::size_t upload_bytes = 16'384;

[[gnu::noinline]] void check(const char* upload, std::uint64_t i) {
  if (i % 4 == 0 || upload[0] != 0) throw std::runtime_error("not a picture");
}

class CarelessUploads final : public Service {
 public:
  // The fault: the exception leaves between new and delete.
  [[gnu::noinline]] void receive(std::uint64_t i) {
    char* const upload = new char[upload_bytes];
    std::memset(upload, 0, upload_bytes);
    check(upload, i);
    delete[] upload;
  }
  void operate(std::uint64_t i) override {
    try {
      receive(i);
    } catch (const std::runtime_error&) {
      ++refused_;
    }
  }

 private:
  std::uint64_t refused_ = 0;
};

class ScopedUploads final : public Service {
 public:
  // The repair: an owner, which the exception destroys on its way.
  [[gnu::noinline]] void receive(std::uint64_t i) {
    const auto upload = std::make_unique<char[]>(upload_bytes);
    check(upload.get(), i);
  }
  void operate(std::uint64_t i) override {
    try {
      receive(i);
    } catch (const std::runtime_error&) {
      ++refused_;
    }
  }

 private:
  std::uint64_t refused_ = 0;
};

}  // namespace

constinit const Leak exception_before_delete{
    .name = "exception_before_delete",
    .sentence = "one upload in four is refused by an exception, which passes the delete by",
    .kind = LeakKind::unreachable,
    .place = {"Uploads::receive"},
    .operations = 4'000,
    .bytes_per_operation = upload_bytes / 4,
    .make = fault_or_repair<CarelessUploads, ScopedUploads>,
};

}  // namespace plateau::leakdemo
