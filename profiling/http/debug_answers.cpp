#include "profiling/http/debug_answers.hpp"

#include <errno.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "allocators/heap.hpp"
#include "profiling/footprint.hpp"
#include "profiling/formats/profile_text.hpp"
#include "profiling/holders.hpp"
#include "profiling/host/announced_processes.hpp"
#include "profiling/http/markup_text.hpp"
#include "profiling/http/process_metrics.hpp"
#include "profiling/mappings.hpp"
#include "profiling/metric_families.hpp"
#include "profiling/pprof.hpp"
#include "profiling/waterfall/verdict.hpp"

namespace plateau {
namespace {

constexpr const char* html = "text/html; charset=utf-8";

// What of /debug/ a newcomer reads first.
constexpr std::array pages_of_debug{
    std::pair{"/debug/footprint?debug=1", "whose RSS is, by parts, and which setting gives back how much"},
    std::pair{"/debug/footprint?seconds=10", "the same, with what grows meanwhile"},
    std::pair{"/debug/holders?seconds=30&debug=1", "who holds the heap: made, alive and growing, by function"},
    std::pair{"/debug/pprof/", "profiles: heap, rss, CPU, and more"}, std::pair{"/metrics", "for Prometheus"}};

// Arguments with a NUL between them, as the kernel shows them (it puts one at the end as well).
std::string command_line() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!text.empty() && text.back() == '\0') text.pop_back();
  return text;
}

std::optional<std::uint64_t> parse_address(std::string_view text) {
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  if (hex) text.remove_prefix(2);
  std::uint64_t address = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), address, hex ? 16 : 10);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return address;
}

double in_megabytes(std::uint64_t bytes) {
  return static_cast<double>(bytes) / 1e6;
}

// What RSS did after a purge tells what the memory was.
std::string after_purge(const FirstLook& first, std::uint64_t rss_bytes, double seconds) {
  const double before = in_megabytes(first.rss_before_purge);
  const double purged = in_megabytes(first.footprint.rss_bytes);
  const double now = in_megabytes(rss_bytes);
  if (before - purged < 0.1 * before)
    return fmt::format("{:.0f} MB after {:.0f} s: hardly anything was free in whole pages", now, seconds);
  if (now - purged > 0.5 * (before - purged))
    return fmt::format("back at {:.0f} MB in {:.0f} s: free pages that are used again, not fragmentation", now,
                       seconds);
  return fmt::format("still {:.0f} MB after {:.0f} s: free pages that nobody has needed since", now, seconds);
}

}  // namespace

HttpAnswer refusal_answer(const Refusal& refusal) {
  HttpAnswer answer = error_answer(refusal.status, refusal.reason);
  answer.allow = refusal.allow;
  return answer;
}

HttpAnswer error_answer(const std::exception& error) {
  if (dynamic_cast<const ProfileUnavailable*>(&error) != nullptr) return error_answer(501, error.what());
  HttpAnswer answer = error_answer(500, error.what());
  answer.retry_later = dynamic_cast<const ProfileBusy*>(&error) != nullptr;
  return answer;
}

HttpAnswer DebugAnswers::page(const DebugRequest& request, std::string_view body) {
  switch (request.page) {
    case DebugPage::index:
      return index();
    case DebugPage::cmdline:
      return {.body = command_line()};
    case DebugPage::symbol:
      return symbols(body.empty() ? request.query : body);
    case DebugPage::footprint:
      return shown(request, next_footprint());
    case DebugPage::holders:
    case DebugPage::metrics:
      return metrics();
    case DebugPage::processes:
      return processes(request.html);
    case DebugPage::profile:
      break;
  }
  return error_answer(500, "no page");
}

HttpAnswer DebugAnswers::profile(const DebugRequest& request, Profile profile) {
  last_counts_[static_cast<std::size_t>(request.source - profiles_.data())] = profile.samples().size();
  const std::string& wanted = request.source->default_sample_type;
  if (!wanted.empty()) profile.default_type = wanted;
  if (request.readable) return {.body = to_text(profile, symbolizer_)};
  const bool difference = request.seconds && request.source->snapshot;
  return {.content_type = "application/octet-stream",
          .body = encode_pprof(profile, &symbolizer_),
          .file_name = request.source->name + (difference ? "-delta" : "")};
}

HttpAnswer DebugAnswers::index() const {
  std::string rows;
  const auto row = [&rows](std::string_view href, std::string_view name, std::string_view count,
                           std::string_view description) {
    rows += fmt::format("<tr><td>{}</td><td><a href=\"{}\">{}</a></td><td>{}</td></tr>\n", count, href, name,
                        markup_text(description));
  };
  for (const ProfileSource& source : profiles_) {
    const auto index = static_cast<std::size_t>(&source - profiles_.data());
    const std::uint64_t count =
        (source.count ? source.count() : std::nullopt).value_or(last_counts_[index].load(std::memory_order_relaxed));
    const std::string name = markup_text(source.name);
    row(name + (source.snapshot ? "?debug=1" : ""), name, std::to_string(count), source.description);
  }
  row("cmdline", "cmdline", "", "the arguments of this process, with NUL between them");
  row("symbol", "symbol", "", "POST 0x1+0x2: the functions at these addresses");
  row("../footprint", "footprint", "", "where RSS is, in one sentence and step by step, and which setting helps");
  row("../holders?seconds=30", "holders", "", "who holds the heap: made, alive and growing, by function");
  row("../../metrics", "metrics", "", "for Prometheus");
  row("../", "processes", "", "the processes of this user that are served, and where");
  return {.content_type = html,
          .body = fmt::format(
              "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0} ({1}): "
              "/debug/pprof/</title>\n"
              "<style>body{{font-family:sans-serif}}td{{padding:.1em 1em .1em 0}}td:first-child{{text-align:right}}"
              "</style></head><body>\n<h1>{0} (process {1}): /debug/pprof/</h1>\n"
              "<table>\n<tr><th>count</th><th>profile</th><th></th></tr>\n{2}</table>\n"
              "<p>count: stacks, now or in the last profile that was taken.</p>\n"
              "<p>For pprof: <code>pprof http://HOST/debug/pprof/heap</code>; <code>?seconds=N</code> for what changed "
              "meanwhile, <code>?debug=1</code> to read it here, <code>?gc=1</code> to purge first.</p>\n"
              "</body></html>\n",
              markup_text(program_invocation_short_name), ::getpid(), rows)};
}

// In text, what is not a process begins with "#".
HttpAnswer DebugAnswers::processes(bool as_page) {
  const std::string title = fmt::format("{} (process {})", program_invocation_short_name, ::getpid());
  std::string sentence;
  try {
    sentence = verdict(next_footprint());
  } catch (const std::runtime_error& error) {
    sentence = error.what();  // the others are there nevertheless
  }
  std::string lines = fmt::format("# {}: {}\n", title, sentence);
  std::string links;
  for (const auto& [page, description] : pages_of_debug) {
    lines += fmt::format("# {:<34} {}\n", page, description);
    links += fmt::format("<tr><td><a href=\"{}\">{}</a></td><td>{}</td></tr>\n", markup_text(page), markup_text(page),
                         markup_text(description));
  }
  lines += "# the processes of this user that are served:\n";
  std::string rows;
  for (const AnnouncedProcess& one : announced_processes()) {
    const bool is_unix = one.address.starts_with("unix:");
    const std::string where = is_unix ? one.address : "http://" + one.address + "/debug/pprof/";
    lines += fmt::format("{} {} {}\n", one.process, one.program, where);
    const std::string text = markup_text(where);
    rows += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td></tr>\n", one.process, markup_text(one.program),
                        is_unix ? text : fmt::format("<a href=\"{}\">{}</a>", text, text));
  }
  if (!as_page) return {.body = lines};
  return {.content_type = html,
          .body = fmt::format(
              "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{1}: /debug/</title>\n"
              "<style>body{{font-family:sans-serif}}td{{padding:.1em 1em .1em 0}}td:first-child{{text-align:right}}"
              "</style></head><body>\n<h1>{1}: /debug/</h1>\n<p>{2}</p>\n<table>\n{3}</table>\n"
              "<p>The processes of this user that are served.</p>\n"
              "<table>\n<tr><th>process</th><th>program</th><th>address</th></tr>\n{0}</table>\n"
              "<p>A unix socket: <code>curl --unix-socket PATH http://localhost/debug/pprof/heap</code>.</p>\n"
              "</body></html>\n",
              rows, markup_text(title), markup_text(sentence), links)};
}

HttpAnswer DebugAnswers::symbols(std::string_view addresses) {
  std::string text = "num_symbols: 1\n";
  if (addresses.empty()) return {.body = text};
  const std::vector<Mapping> mappings = process_mappings();
  while (!addresses.empty()) {
    const std::string_view word = addresses.substr(0, addresses.find('+'));
    addresses.remove_prefix(std::min(addresses.size(), word.size() + 1));
    const auto address = parse_address(word);
    if (!address) continue;
    const auto mapping = std::find_if(mappings.begin(), mappings.end(), [&](const Mapping& one) {
      return *address >= one.start && *address < one.limit;
    });
    if (mapping == mappings.end()) continue;
    const auto frames = symbolizer_.frames(*mapping, *address);
    if (!frames.empty()) text += fmt::format("{:#x} {}\n", *address, frames.back().function->name);
  }
  return {.body = text};
}

HttpAnswer DebugAnswers::metrics() const {
  MetricFamilies families;
  add_process_metrics(families);
  if (more_metrics_) more_metrics_(families);
  return {.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = families.text()};
}

Footprint DebugAnswers::take_footprint() const {
  return plateau::take_footprint(requested_bytes_ ? requested_bytes_() : std::nullopt);
}

Footprint DebugAnswers::next_footprint() {
  Footprint taken = take_footprint();
  const auto now = std::chrono::steady_clock::now();
  {
    const std::lock_guard lock(last_footprint_mutex_);
    if (last_footprint_) {
      taken.earlier = last_footprint_;
      taken.earlier->seconds = std::chrono::duration<double>(now - last_footprint_time_).count();
    }
    last_footprint_ = EarlierFootprint{.rss_bytes = taken.rss_bytes, .parts = taken.parts};
    last_footprint_time_ = now;
  }
  return taken;
}

HttpAnswer DebugAnswers::shown(const DebugRequest& request, const Footprint& footprint) const {
  if (request.readable) return {.body = to_text(footprint)};
  if (!request.html) return {.content_type = "application/json", .body = to_json(footprint)};
  const std::string title = markup_text(fmt::format("RSS of {} ({})", footprint.program, ::getpid()));
  return {.content_type = html,
          .body = fmt::format("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title>"
                              "</head><body><pre>\n{}</pre></body></html>\n",
                              title, markup_text(to_text(footprint)))};
}

FirstLook DebugAnswers::look(const DebugRequest& request, std::optional<Profile> heap) const {
  FirstLook first{.heap = std::move(heap)};
  if (request.page == DebugPage::footprint) {
    first.footprint = take_footprint();
    if (request.purge_first) {
      first.rss_before_purge = first.footprint.rss_bytes;
      const HeapReply reply = Heap::process().purge();
      first.footprint = take_footprint();
      first.purged = reply.done ? fmt::format("purged: {:.0f} -> {:.0f} MB", in_megabytes(first.rss_before_purge),
                                              in_megabytes(first.footprint.rss_bytes))
                                : "not purged: " + std::string(reply.reason);
    }
  }
  first.when = std::chrono::steady_clock::now();
  return first;
}

HttpAnswer DebugAnswers::change(const DebugRequest& request, const FirstLook& first, std::optional<Profile> heap) {
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - first.when).count();
  if (request.page == DebugPage::holders) {
    return holders(request, *heap, first.heap ? &*first.heap : nullptr, first.heap ? seconds : 0);
  }
  Footprint now = take_footprint();
  now.earlier =
      EarlierFootprint{.seconds = seconds, .rss_bytes = first.footprint.rss_bytes, .parts = first.footprint.parts};
  now.purged = first.purged;
  if (request.purge_first && first.purged.starts_with("purged")) {
    now.purged += "; " + after_purge(first, now.rss_bytes, seconds);
  }
  if (heap && first.heap) {
    const Holders found = find_holders(*heap, &*first.heap, seconds, symbolizer_);
    if (found.probable) {
      const HolderRow& row = found.rows[*found.probable];
      now.grows_under = row.through.empty() ? row.function : row.function + " through " + row.through;
    }
  }
  return shown(request, now);
}

HttpAnswer DebugAnswers::holders(const DebugRequest& request, const Profile& now, const Profile* earlier,
                                 double seconds) {
  const Holders found = find_holders(now, earlier, seconds, symbolizer_);
  if (!request.readable && !request.html) return {.content_type = "application/json", .body = to_json(found)};
  const std::string title = fmt::format("{} (process {})", program_invocation_short_name, ::getpid());
  if (request.readable) return {.body = to_text(found, title)};
  return {.content_type = html,
          .body = fmt::format("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>who holds the "
                              "heap of {}</title></head><body><pre>\n{}</pre></body></html>\n",
                              markup_text(title), markup_text(to_text(found, title)))};
}

}  // namespace plateau
