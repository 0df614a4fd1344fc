#include "profiling/plateau/ps.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include <CLI/CLI.hpp>

#include "allocators/process_memory.hpp"
#include "profiling/host/announced_processes.hpp"

namespace plateau {

CLI::App* PsCommand::add_to(CLI::App& app) {
  return app.add_subcommand("ps", "list this user's processes that are served, and where");
}

int PsCommand::run() {
  const std::vector<AnnouncedProcess> processes = announced_processes();
  if (processes.empty()) {
    fmt::print(stderr, "plateau: no process of this user is served; plateau run PROGRAM starts one that is\n");
    return 0;
  }
  std::size_t program_width = 7;
  std::size_t address_width = 7;
  for (const AnnouncedProcess& one : processes) {
    program_width = std::max(program_width, one.program.size());
    address_width = std::max(address_width, one.address.size());
  }
  fmt::print("{:>8}  {:<{}}  {:<{}}  {:>9}\n", "PID", "PROGRAM", program_width, "ADDRESS", address_width, "RSS MB");
  for (const AnnouncedProcess& one : processes) {
    const auto memory = process_memory(one.process);
    const std::string rss = memory ? fmt::format("{:.1f}", static_cast<double>(memory->rss_bytes) / 1e6) : "-";
    fmt::print("{:>8}  {:<{}}  {:<{}}  {:>9}\n", one.process, one.program, program_width, one.address, address_width,
               rss);
  }
  return 0;
}

}  // namespace plateau
