// What the user asked for cannot be had: one clear line on standard error and exit status 2.
#pragma once

#include <stdexcept>

namespace plateau::harness {

class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace plateau::harness
