#include "profiling/plateau/run_page.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string_view>

#include "profiling/http/markup_text.hpp"

namespace plateau {
namespace {

constexpr double chart_width = 960;
constexpr double chart_height = 220;
constexpr double left_edge = 60;
constexpr std::int64_t least_shown_bytes = 50'000;  // the first that is not 0.0 MB
constexpr std::array colours{"#4878a8", "#e49444", "#6a9f58", "#85b6b2", "#d1605e", "#967662", "#a87c9f", "#e7ca60"};

constexpr std::string_view style = R"(
:root { color-scheme: light dark; --line: #8886; }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 1200px; margin: 1.5em auto; padding: 0 1em; }
table { border-collapse: collapse; } td, th { padding: .15em .8em .15em 0; text-align: left; vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
tr { border-bottom: 1px solid var(--line); } h2 { margin-top: 2em; } .verdict { font-size: 1.15em; }
pre { overflow-x: auto; font-size: 13px; } iframe { width: 100%; height: 26em; border: 1px solid var(--line); background: #fff; }
svg.chart { width: 100%; max-width: 1020px; } svg.chart text { fill: currentColor; font: 12px system-ui, sans-serif; }
.axis { stroke: var(--line); } .rss { fill: none; stroke: currentColor; stroke-width: 1.5; }
.swatch { display: inline-block; width: .8em; height: .8em; margin-right: .4em; }
)";

std::string megabytes(double bytes) {
  return fmt::format("{:.1f}", bytes / 1e6);
}

// Parts in the order of the waterfall, as far as any footprint has something in them.
std::vector<std::pair<std::string, std::string>> shown_parts(const std::vector<RecordedFootprint>& footprints) {
  std::vector<std::pair<std::string, std::string>> parts;
  for (const RecordedFootprint& footprint : footprints) {
    for (const RecordedFootprint::Part& part : footprint.parts) {
      const bool known = std::any_of(parts.begin(), parts.end(), [&](const auto& one) { return one.first == part.id; });
      if (!known && std::abs(part.bytes) >= least_shown_bytes) parts.emplace_back(part.id, part.name);
    }
  }
  return parts;
}

std::int64_t bytes_of(const RecordedFootprint& footprint, const std::string& id) {
  for (const RecordedFootprint::Part& part : footprint.parts) {
    if (part.id == id) return part.bytes;
  }
  return 0;
}

// RSS as a line, and under it what it is made of wherever that was asked for.
class Chart {
 public:
  explicit Chart(const ProcessRecord& record) : record_(record), parts_(shown_parts(record.footprints)) {
    for (const RssPoint& point : record.seen.rss) extend(point.seconds, static_cast<double>(point.bytes));
    for (const RecordedFootprint& one : timed()) extend(one.seconds, static_cast<double>(one.rss_bytes));
  }

  void write(std::ostream& out) const {
    if (record_.seen.rss.size() < 2 || end_ <= begin_) return;
    out << fmt::format("<svg class=\"chart\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"RSS over time\">",
                       chart_width + left_edge, chart_height + 24);
    areas(out);
    std::string line;
    for (const RssPoint& point : record_.seen.rss)
      line += fmt::format("{:.1f},{:.1f} ", x(point.seconds), y(static_cast<double>(point.bytes)));
    out << "<polyline class=\"rss\" points=\"" << line << "\"/>";
    for (const double share : {0.0, 0.5, 1.0}) {
      out << fmt::format(
          "<line class=\"axis\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/><text x=\"{3}\" y=\"{4:.1f}\" "
          "text-anchor=\"end\">{5} MB</text>",
          left_edge, chart_width + left_edge, y(share * top_), left_edge - 4, y(share * top_) + (share == 1 ? 10 : 0),
          megabytes(share * top_));
    }
    out << fmt::format(
        "<text x=\"{}\" y=\"{}\">{:.1f} s</text><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{:.1f} s</text>", left_edge,
        chart_height + 20, begin_, chart_width + left_edge, chart_height + 20, end_);
    out << "</svg>\n<p>";
    if (timed().size() >= 2) {
      for (std::size_t i = 0; i < parts_.size(); ++i)
        out << fmt::format("<span class=\"swatch\" style=\"background:{}\"></span>{} &emsp;",
                           colours[i % colours.size()], markup_text(parts_[i].second));
    }
    out << "The line is RSS.</p>\n";
  }

 private:
  std::vector<RecordedFootprint> timed() const {
    std::vector<RecordedFootprint> result;
    for (const RecordedFootprint& one : record_.footprints) {
      if (one.seconds >= 0) result.push_back(one);
    }
    return result;
  }

  void extend(double seconds, double bytes) {
    begin_ = std::min(begin_, seconds);
    end_ = std::max(end_, seconds);
    top_ = std::max(top_, bytes);
  }
  double x(double seconds) const { return left_edge + (seconds - begin_) / (end_ - begin_) * chart_width; }
  double y(double bytes) const { return chart_height - bytes / top_ * (chart_height - 8); }

  void areas(std::ostream& out) const {
    const std::vector<RecordedFootprint> at = timed();
    if (at.size() < 2) return;
    std::vector<double> below(at.size(), 0);
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      std::string upper;
      std::string lower;
      for (std::size_t j = 0; j < at.size(); ++j) {
        const double size = std::max(0.0, static_cast<double>(bytes_of(at[j], parts_[i].first)));
        lower = fmt::format("{:.1f},{:.1f} ", x(at[j].seconds), y(below[j])) + lower;
        below[j] += size;
        upper += fmt::format("{:.1f},{:.1f} ", x(at[j].seconds), y(below[j]));
      }
      out << fmt::format("<polygon points=\"{}{}\" fill=\"{}\"><title>{}</title></polygon>", upper, lower,
                         colours[i % colours.size()], markup_text(parts_[i].second));
    }
  }

  const ProcessRecord& record_;
  const std::vector<std::pair<std::string, std::string>> parts_;
  double begin_ = 1e18;
  double end_ = 0;
  double top_ = 1;
};

void write_waterfall(const ProcessRecord& record, std::ostream& out) {
  if (record.footprints.empty()) return;
  const auto highest = std::max_element(
      record.footprints.begin(), record.footprints.end(),
      [](const RecordedFootprint& one, const RecordedFootprint& other) { return one.rss_bytes < other.rss_bytes; });
  const RecordedFootprint& last = record.footprints.back();
  const auto when = [](const RecordedFootprint& one) {
    return one.seconds < 0 ? std::string("at its end") : fmt::format("at {:.1f} s", one.seconds);
  };
  out << fmt::format("<table><tr><th>what RSS is made of, MB</th><th class=\"n\">{}</th><th class=\"n\">{}</th></tr>\n",
                     "highest seen: " + when(*highest), when(last));
  for (const auto& [id, name] : shown_parts({*highest, last})) {
    out << fmt::format("<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n", markup_text(name),
                       megabytes(static_cast<double>(bytes_of(*highest, id))),
                       megabytes(static_cast<double>(bytes_of(last, id))));
  }
  out << fmt::format("<tr><th>= RSS</th><th class=\"n\">{}</th><th class=\"n\">{}</th></tr></table>\n",
                     megabytes(static_cast<double>(highest->rss_bytes)),
                     megabytes(static_cast<double>(last.rss_bytes)));
}

void write_process(const PageProcess& process, std::ostream& out) {
  const ProcessRecord& record = *process.record;
  out << fmt::format("<h2 id=\"{0}\">{1} (process {2})</h2>\n", markup_text(record.name),
                     markup_text(record.seen.program), record.seen.process);
  if (!record.footprints.empty())
    out << "<p class=\"verdict\">" << markup_text(record.footprints.back().headline) << "</p>\n";
  out << fmt::format("<p>Peak RSS {} MB.</p>\n", megabytes(static_cast<double>(record.seen.peak_rss_bytes)));
  Chart(record).write(out);
  write_waterfall(record, out);
  if (!record.no_profile.empty()) out << "<p>No heap profile: " << markup_text(record.no_profile) << ".</p>\n";
  if (!process.holders.empty()) out << "<pre>" << markup_text(process.holders) << "</pre>\n";
  for (const PageGraph& graph : process.graphs) {
    out << "<h3>" << markup_text(graph.title) << "</h3>\n";
    if (graph.page.empty()) {
      out << "<p>" << markup_text(graph.note) << "</p>\n";
    } else {
      out << "<iframe loading=\"lazy\" title=\"" << markup_text(graph.title) << "\" srcdoc=\""
          << markup_text(graph.page) << "\"></iframe>\n";
    }
  }
  if (process.files.empty()) return;
  out << "<p>For pprof, beside this page:";
  for (const std::string& file : process.files)
    out << " <a href=\"" << markup_text(file) << "\">" << markup_text(file) << "</a>";
  out << "</p>\n";
}

}  // namespace

void write_run_page(const RunSummary& run, const std::vector<PageProcess>& processes, std::ostream& out) {
  out << "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
         "content=\"width=device-width\"><title>"
      << markup_text(run.command) << "</title><style>" << style << "</style></head><body>\n<h1>"
      << markup_text(run.command) << "</h1>\n<p>Ended with " << markup_text(run.ended)
      << ". Heap profiles: " << markup_text(run.how) << ".</p>\n";
  if (processes.empty())
    out << "<p>No process was served: shells are left out, and so is what ends within some hundredths of a second "
           "without exit().</p>\n";
  if (processes.size() > 1) {
    out << "<table><tr><th>process</th><th class=\"n\">peak RSS, MB</th><th>verdict</th></tr>\n";
    for (const PageProcess& process : processes) {
      const ProcessRecord& record = *process.record;
      out << fmt::format("<tr><td><a href=\"#{0}\">{0}</a></td><td class=\"n\">{1}</td><td>{2}</td></tr>\n",
                         markup_text(record.name), megabytes(static_cast<double>(record.seen.peak_rss_bytes)),
                         record.footprints.empty() ? "" : markup_text(record.footprints.back().headline));
    }
    out << "</table>\n";
  }
  for (const PageProcess& process : processes) write_process(process, out);
  out << "</body></html>\n";
}

}  // namespace plateau
