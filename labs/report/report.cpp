// report: one self-contained HTML page from the JSON results of the labs.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "allocators/system/whole_file.hpp"
#include "labs/report/document.hpp"
#include "labs/report/result_file.hpp"

int main(int argc, char** argv) {
  using namespace plateau;
  std::vector<std::string> files;
  std::string output;
  CLI::App app{"one self-contained HTML page from the JSON results of the labs", "report"};
  app.footer(
      "Heap profiles are read where the results say they are. Open the page in any browser; it needs no network.");
  app.add_option("RESULT.json", files, "what a lab's --json wrote; several of one lab are shown together")->required();
  app.add_option("-o,--output", output, "the page")->required();
  try {
    app.parse(argc, argv);
    WholeFile::check(output);
    std::vector<report::ResultFile> results;
    for (const std::string& file : files) results.push_back(report::read_result(file));
    std::vector<std::string> missing;
    const std::string page = report::document(results, missing);
    write_whole_file(output, page);
    for (const std::string& profile : missing) {
      fmt::print(stderr, "report: the heap profile {} is not there any more; the report goes without it\n", profile);
    }
    fmt::print("report: {} ({:.1f} MB)\n", output, static_cast<double>(page.size()) / 1e6);
    return 0;
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const std::exception& error) {
    std::string message = error.what();
    std::replace(message.begin(), message.end(), '\n', ' ');
    fmt::print(stderr, "report: {}\n", message);
    return 2;
  }
}
