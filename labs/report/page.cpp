#include "labs/report/page.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include <boost/archive/iterators/base64_from_binary.hpp>
#include <boost/archive/iterators/transform_width.hpp>

#include "profiling/formats/gzip.hpp"

namespace plateau::report {
namespace {

constexpr std::string_view place_for_data = "@DATA@";

std::string base64(const std::string& bytes) {
  using SixBits = boost::archive::iterators::transform_width<std::string::const_iterator, 6, 8>;
  using Digits = boost::archive::iterators::base64_from_binary<SixBits>;
  std::string text(Digits(bytes.begin()), Digits(bytes.end()));
  text.append((4 - text.size() % 4) % 4, '=');
  return text;
}

}  // namespace

std::string load_page(std::string_view name) {
  const std::filesystem::path file =
      std::filesystem::read_symlink("/proc/self/exe").parent_path() / "pages" / fmt::format("{}.html", name);
  std::ifstream in(file, std::ios::binary);
  if (!in)
    throw std::runtime_error(fmt::format("there is no {}: build the target pages (it needs npm)", file.string()));
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string with_data(std::string page, std::string_view data) {
  const std::size_t place = page.find(place_for_data);
  if (place == std::string::npos) throw std::runtime_error("the report's page has no place for data");
  return page.replace(place, place_for_data.size(), base64(gzipped(data, 9)));
}

}  // namespace plateau::report
