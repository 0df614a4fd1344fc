#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "leakdemo/matrix.hpp"
#include "profiling/http/markup_text.hpp"

namespace plateau::leakdemo {
namespace {

// The finding is always written out: colour is never the only difference.
constexpr std::string_view style = R"css(
:root { color-scheme: light dark; --text: #1d2330; --quiet: #5c6578; --page: #fff; --line: #d9dde5; --head: #f3f5f8;
  --found: #d6efdc; --vague: #fbeebf; --missed: #f0f1f4; --silent: #f0f1f4; --alarm: #f9d4d1; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e8f0; --quiet: #9aa4b8; --page: #14171d; --line: #323846;
  --head: #1d222b; --found: #1d4a2c; --vague: #54460f; --missed: #22262f; --silent: #22262f; --alarm: #652420; } }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--text); background: var(--page); margin: 2rem; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { max-width: 60rem; } .quiet, small { color: var(--quiet); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { border: 1px solid var(--line); padding: .35rem .55rem; text-align: left; vertical-align: top; }
thead th { background: var(--head); } tbody th { font-weight: 600; }
tbody th small { display: block; font-weight: 400; max-width: 22rem; }
td small { display: block; } td.number { text-align: right; font-variant-numeric: tabular-nums; }
.found { background: var(--found); } .vague { background: var(--vague); } .missed { background: var(--missed); }
.silent { background: var(--silent); } .false-alarm { background: var(--alarm); } .not-run { color: var(--quiet); }
.key span { padding: .1rem .4rem; border: 1px solid var(--line); margin-right: .3rem; }
code { font-size: .9em; }
@media (max-width: 40rem) { body { margin: 1rem; font-size: 13px; } tbody th small { display: none; }
  tbody th { position: sticky; left: 0; background: var(--page); } }
)css";

std::string css_class(Finding finding) {
  std::string name(to_string(finding));
  std::replace(name.begin(), name.end(), ' ', '-');
  return name;
}

std::string megabytes(std::int64_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

std::string cell(const Judgement& judgement) {
  std::string detail = markup_text(judgement.kind);
  if (judgement.error) detail += fmt::format(", {:+.0f} %", std::round(*judgement.error * 100) + 0.0);
  std::string hint;
  if (!judgement.functions.empty()) {
    if (judgement.row > 0) hint = fmt::format("row {} by size; ", judgement.row);
    hint += fmt::format("{}, of which {} at the place; the largest: {}", megabytes(judgement.reported_bytes),
                        megabytes(judgement.named_bytes),
                        markup_text(fmt::format("{}", fmt::join(judgement.functions, " < "))));
  }
  if (judgement.finding == Finding::not_run)
    return fmt::format("<td class=\"not-run\">not run<small>{}</small></td>", detail);
  return fmt::format("<td class=\"{}\" title=\"{}\">{}<small>{}</small></td>", css_class(judgement.finding), hint,
                     to_string(judgement.finding), detail);
}

std::string findings(const Matrix& matrix) {
  std::string html = "<div class=\"wide\"><table><thead><tr><th>leak</th><th>kind</th>";
  for (const DetectorSummary& detector : matrix.detectors)
    html += fmt::format("<th title=\"{}\">{}</th>", markup_text(detector.title), markup_text(detector.name));
  html += "</tr></thead>\n<tbody>\n";
  for (const MatrixRow& row : matrix.rows) {
    html += fmt::format("<tr><th>{}<small>{}</small></th><td>{}</td>", row.leak->name, markup_text(row.leak->sentence),
                        to_string(row.leak->kind));
    for (const Judgement& judgement : row.judgements) html += cell(judgement);
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string costs(const Matrix& matrix) {
  std::string html =
      "<div class=\"wide\"><table><thead><tr><th>detector</th><th>slowdown of the operations</th><th>extra memory</th>"
      "<th>CPU time of a run, all in</th><th>how it is applied</th></tr></thead>\n<tbody>\n";
  for (const DetectorSummary& detector : matrix.detectors) {
    html += fmt::format("<tr><th>{}<small>{}</small></th>", markup_text(detector.name), markup_text(detector.title));
    if (detector.runs == 0) {
      html += fmt::format("<td class=\"not-run\" colspan=\"3\">{}</td>",
                          detector.unavailable.empty() ? "no run came to an end" : markup_text(detector.unavailable));
    } else {
      html += fmt::format(
          "<td class=\"number\">{:.1f} &times;</td><td class=\"number\">{}</td><td class=\"number\">{:.2f} s "
          "<small>{:.2f} s with nobody watching</small></td>",
          detector.slowdown, megabytes(detector.extra_bytes), detector.run_seconds, detector.plain_run_seconds);
    }
    html += fmt::format("<td><code>{}</code></td></tr>\n", markup_text(detector.use));
  }
  return html + "</tbody></table></div>\n";
}

}  // namespace

std::string to_html(const Matrix& matrix) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width\">\n<title>Which detector sees which leak</title>\n<style>{}</style></head><body>\n"
      "<h1>Which detector sees which leak</h1>\n"
      "<p>{} small programs, each with one kind of memory growth, ran under each detector, fault and repair, in {:.0f} "
      "seconds ({:.0f} of CPU time); what the detectors printed was judged by this rule alone: most of the bytes that "
      "they report are at "
      "the "
      "function of the fault (of what is no leak: the part of RSS). Reports count from a tenth of what the fault "
      "leaves "
      "behind.</p>\n"
      "<p class=\"key\"><span class=\"found\">found</span> with the function, <span class=\"vague\">vague</span> "
      "growth, and "
      "another place or none, <span class=\"missed\">missed</span> nothing to speak of, <span "
      "class=\"silent\">silent</span> nothing either, and rightly: it is no leak, <span class=\"false-alarm\">false "
      "alarm</span> also of the repaired program. Below each: what the detector calls it, and its bytes against what "
      "was "
      "left behind.</p>\n{}<h2>What it costs</h2>\n<p class=\"quiet\">Against plain runs of the same programs, in turn "
      "with "
      "them. The programs do little else than allocate, so a service slows down less. Memory: at the peak of RSS, "
      "median.</p>\n{}</body></html>\n",
      style, matrix.rows.size(), matrix.seconds, matrix.cpu_seconds, findings(matrix), costs(matrix));
}

}  // namespace plateau::leakdemo
