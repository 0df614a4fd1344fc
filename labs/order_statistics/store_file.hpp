// The store's file, which is built from the seed on first use and kept for the next run.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "allocators/system/descriptor.hpp"

namespace plateau::order_statistics {

struct StoreShape {
  std::uint64_t seed = 1;
  std::uint64_t rows = 0;
  std::optional<std::uint64_t> note_bytes;  // empty: chosen by the scan rate of this machine
};

// Told the share of it that is done, 0 to 1. What it throws ends the work, which is taken away.
using BuildProgress = std::function<void(double share)>;

// Writes a whole store, under another name until it is done. Throws std::runtime_error, also for a full disk, and
// leaves nothing behind then.
void build_store(const std::string& file, std::uint64_t seed, std::uint64_t rows, std::uint64_t note_bytes,
                 const BuildProgress& progress);

// Why the file is not the store of this shape (of this version of the schema), or has been damaged; empty when it is.
// Looks at what it says of itself and at some of its orders.
std::optional<std::string> why_not_usable(const std::string& file, const StoreShape& shape);

// What the query of "before" takes alone, with the file in the kernel's page cache: CPU time, which is the same as wall
// clock there, but for busy neighbours. The store outlives them.
double seconds_of_a_scan(const std::string& file);

// How long that takes an order: whatever its note, and for each byte of its note.
struct ScanRate {
  double seconds_an_order = 0;
  double seconds_a_byte = 0;
  // How wide notes have to be for a scan of `rows` orders to take wanted_query_s, as far as pages allow.
  std::uint64_t note_bytes_for(std::uint64_t rows) const;
};
// From stores of measured_rows that are built in `folder` and taken away again. A few seconds.
ScanRate measure_scan_rate(const std::string& folder, std::uint64_t seed);

// A store of which no other process makes use: a second lab beside this one has a file of its own. The lock is the
// kernel's (flock), so that one which was left behind holds nobody up.
class CachedStore {
 public:
  // `folder` is made when it is not there. Throws harness::UsageError where it cannot be, and as build_store.
  CachedStore(const std::string& folder, const StoreShape& shape, const BuildProgress& progress);
  const std::string& file() const { return file_; }
  std::uint64_t note_bytes() const { return note_bytes_; }
  // Why it was built; empty when it was there.
  const std::string& why_built() const { return why_built_; }
  // Of the query of "before", measured when the store was built.
  double scan_seconds() const { return scan_seconds_; }

 private:
  void build(const std::string& folder, const StoreShape& shape, const BuildProgress& progress);

  std::string file_;
  Descriptor lock_;
  std::uint64_t note_bytes_ = 0;
  std::string why_built_;
  double scan_seconds_ = 0;
};

// $XDG_CACHE_HOME/plateau, or ~/.cache/plateau. Throws harness::UsageError where neither is known.
std::string default_cache_folder();

// Reads the whole file once, so that what is measured next does not wait for the disk.
void bring_into_page_cache(const std::string& file);

}  // namespace plateau::order_statistics
