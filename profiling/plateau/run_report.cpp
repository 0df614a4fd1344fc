#include "profiling/plateau/run_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <sstream>
#include <system_error>

#include "allocators/system/whole_file.hpp"
#include "profiling/formats/call_tree.hpp"
#include "profiling/formats/flame_graph.hpp"
#include "profiling/formats/gzip.hpp"
#include "profiling/formats/pprof_import.hpp"
#include "profiling/formats/pprof_reader.hpp"
#include "profiling/formats/top_table.hpp"
#include "profiling/holders.hpp"
#include "profiling/plateau/process_record.hpp"
#include "profiling/plateau/run_page.hpp"
#include "profiling/pprof.hpp"
#include "profiling/profile_difference.hpp"
#include "profiling/symbolizer.hpp"

namespace plateau {
namespace {

constexpr std::size_t most_drawn = 20;  // processes; the others are in the index
constexpr std::size_t rows_of_holders = 12;
constexpr EncodeOptions without_haste{.symbol_budget = std::chrono::steady_clock::duration::max()};

class Draftsman {
 public:
  Draftsman(const std::string& folder, Symbolizer& symbolizer) : folder_(folder), symbolizer_(symbolizer) {}

  PageProcess draw(const ProcessRecord& record) {
    PageProcess page;
    page.record = &record;
    if (record.end) {
      const std::optional<Profile> growth = growth_of(record);
      if (record.peak && record.peak->when != record.end->when) {
        graph(record.peak->profile, "inuse_space", "In use near the peak, " + record.peak->when, page);
        save(record.peak->profile, record.name + ".peak.pb.gz", page);
      }
      graph(record.end->profile, "inuse_space", "In use " + record.end->when, page);
      graph(record.end->profile, "alloc_space", "Allocated in all, freed or not, until " + record.end->when.substr(3),
            page);
      save(record.end->profile, record.name + ".end.pb.gz", page);
      if (growth) {
        graph(*growth, "inuse_space", "What grew: in use " + record.end->when + ", and not " + record.first->when,
              page);
        save(*growth, record.name + ".growth.pb.gz", page);
      }
      page.holders = holders_of(record);
    }
    return page;
  }

 private:
  // What the process answered has names; what it left has addresses, and is compared in the form that it is saved in.
  std::optional<Profile> growth_of(const ProcessRecord& record) {
    if (!record.first) return std::nullopt;
    try {
      if (record.end->profile.has_named_frames()) return difference(record.end->profile, record.first->profile);
      constexpr std::size_t most_bytes = std::size_t{512} << 20;
      const std::string saved = gunzipped(encode_pprof(record.end->profile, &symbolizer_, without_haste));
      return difference(profile_of(decode_pprof(saved, most_bytes)), record.first->profile);
    } catch (const std::exception&) {
      return std::nullopt;
    }
  }

  std::string holders_of(const ProcessRecord& record) {
    const Profile& of = record.peak ? record.peak->profile : record.end->profile;
    return to_text(find_holders(of, nullptr, 0, symbolizer_),
                   record.seen.program + ", " + (record.peak ? record.peak->when : record.end->when), rows_of_holders);
  }

  void graph(const Profile& profile, std::string_view type, const std::string& title, PageProcess& page) {
    const auto& types = profile.types();
    const auto found = std::find_if(types.begin(), types.end(), [&](const ValueType& one) { return one.type == type; });
    if (found == types.end()) return;
    const CallTree tree(profile, static_cast<std::size_t>(found - types.begin()), symbolizer_);
    PageGraph& drawn = page.graphs.emplace_back();
    drawn.title = title;
    if (tree.total() <= 0) {
      drawn.note = "Nothing, as far as it was sampled.";
      return;
    }
    std::ostringstream out;
    write_flame_html(tree, fmt::format("{}: {}", title, human(tree.total(), found->unit)), found->unit, out);
    drawn.page = out.str();
  }

  void save(const Profile& profile, const std::string& name, PageProcess& page) {
    write_whole_file(folder_ + "/" + name, encode_pprof(profile, &symbolizer_, without_haste));
    page.files.push_back(name);
  }

  const std::string& folder_;
  Symbolizer& symbolizer_;
};

// What has become a part of the report.
void remove_raw(const std::string& folder, const std::string& name) {
  std::error_code ignored;
  for (const char* const end : {".heap", ".reason", ".footprint.json"})
    std::filesystem::remove(folder + "/" + name + end, ignored);
}

}  // namespace

std::vector<ProcessSummary> write_run_report(const RunSummary& run, const std::vector<WatchedProcess>& processes) {
  const std::vector<ProcessRecord> records = read_records(run.folder, processes);
  Symbolizer symbolizer{Symbolizer::Options{}};
  Draftsman draftsman(run.folder, symbolizer);
  std::vector<PageProcess> pages;
  std::vector<ProcessSummary> summaries;
  for (const ProcessRecord& record : records) {
    if (pages.size() < most_drawn) {
      pages.push_back(draftsman.draw(record));
    } else {
      pages.push_back({.record = &record, .holders = {}, .graphs = {}, .files = {}});
    }
    summaries.push_back({record.name, record.seen.process, record.seen.peak_rss_bytes,
                         record.footprints.empty() ? std::string() : record.footprints.back().headline});
  }
  WholeFile page(run.folder + "/report.html");
  write_run_page(run, pages, page.stream());
  page.commit();
  for (std::size_t i = 0; i < std::min(most_drawn, records.size()); ++i) {
    if (records[i].end || !records[i].no_profile.empty()) remove_raw(run.folder, records[i].name);
  }
  return summaries;
}

}  // namespace plateau
