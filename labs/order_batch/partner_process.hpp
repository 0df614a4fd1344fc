// The partner in a process of its own, which costs the measured one nothing but the CPU that they share.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "allocators/system/descriptor.hpp"
#include "labs/order_batch/partner.hpp"

namespace plateau::order_batch {

// The first argument of this program when it is to be the partner; the second is the options.
inline constexpr const char* partner_command = "partner";

// Started anew from this program's own file; ends when this object does, or its process in whatever way.
class PartnerProcess {
 public:
  // Throws std::system_error, and std::runtime_error when it does not start.
  explicit PartnerProcess(const PartnerOptions& options);
  ~PartnerProcess();
  PartnerProcess(const PartnerProcess&) = delete;
  PartnerProcess& operator=(const PartnerProcess&) = delete;

  std::uint16_t port() const { return port_; }

 private:
  Descriptor control_;  // closed: it ends
  pid_t pid_ = -1;
  std::uint16_t port_ = 0;
};

// Of the partner's process: serves until its standard input ends. Returns the exit status.
int run_partner_process(const std::string& options);

}  // namespace plateau::order_batch
