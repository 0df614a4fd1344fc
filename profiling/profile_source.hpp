// A profile that a program can give while it runs: a row in the table of the debug server.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "profiling/profile.hpp"

namespace plateau {

// This program cannot give the profile; what() is one line that says why, and what to change.
class ProfileUnavailable : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// It can be had, but not while another one is under way.
class ProfileBusy : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct RecordingOptions {
  // Of a difference: the in-use columns are those of its end, and not end - start.
  bool keep_inuse = false;
};

// A profile over a span of time, under way. Destroyed without finish(), it stops and is thrown away.
class Recording {
 public:
  Recording() = default;
  virtual ~Recording() = default;
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  // Ends the span. Once. Throws std::runtime_error when the profile was lost.
  virtual Profile finish() = 0;
};

// The functions are called by one thread at a time, which is not always the same one. They throw ProfileUnavailable,
// ProfileBusy, or std::runtime_error with one line that says what failed.
struct ProfileSource {
  std::string name;                      // as the URL names it: "heap"
  std::string description;               // one line of plain text, for the index
  std::string default_sample_type = {};  // shown first by pprof; empty: as the profile has it

  // Of this moment. Empty where there is only a profile over time, as of CPU.
  std::function<Profile()> snapshot = {};
  // Begins a profile over time. Empty where there is none.
  std::function<std::unique_ptr<Recording>(const RecordingOptions&)> record = {};
  // Number of samples that a snapshot would have, when that is cheap to know; the index else shows that of the last
  // one.
  std::function<std::optional<std::uint64_t>()> count = {};
};

}  // namespace plateau
