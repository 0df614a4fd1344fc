// The page of a run: self-contained, without a network; light and dark.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "profiling/plateau/process_record.hpp"
#include "profiling/plateau/run_report.hpp"

namespace plateau {

// A flame graph, or why there is none.
struct PageGraph {
  std::string title;
  std::string page;  // a page of its own; empty: `note` says why
  std::string note;
};

struct PageProcess {
  const ProcessRecord* record = nullptr;
  std::string holders;  // text
  std::vector<PageGraph> graphs;
  std::vector<std::string> files;  // beside the page
};

void write_run_page(const RunSummary& run, const std::vector<PageProcess>& processes, std::ostream& out);

}  // namespace plateau
