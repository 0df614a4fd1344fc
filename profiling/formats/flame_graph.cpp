#include "profiling/formats/flame_graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "profiling/formats/flame_graph_script.hpp"
#include "profiling/formats/top_table.hpp"
#include "profiling/http/markup_text.hpp"

namespace plateau {
namespace {

constexpr double width = 1200;
constexpr double row_height = 18;
constexpr double top = 60;          // of the first row, below title and status
constexpr double letter = 6.7;      // width of one, of a fixed-width font of 11 px
constexpr double narrowest = 1e-4;  // of the whole

// One function has one colour, in every graph.
std::string colour(std::string_view name) {
  std::uint32_t hash = 2166136261;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619;
  return fmt::format("hsl({},{}%,{}%)", 15 + hash % 40, 70 + hash / 64 % 20, 62 + hash / 4096 % 12);
}

class Drawing {
 public:
  Drawing(const CallTree& tree, std::string_view unit, std::ostream& out) : tree_(tree), unit_(unit), out_(out) {}

  std::size_t levels(std::size_t index) const {
    std::size_t deepest = 0;
    for (const auto& [name, child] : tree_.nodes()[index].children) {
      if (is_drawn(child)) deepest = std::max(deepest, levels(child));
    }
    return deepest + 1;
  }

  void draw(std::size_t index, double x, std::size_t level) {
    const CallTree::Node& node = tree_.nodes()[index];
    const std::string_view name = index == 0 ? "all" : node.name;
    const double share = share_of(index);
    const auto letters = static_cast<std::size_t>(std::max(0.0, (share * width - 6) / letter));
    const std::string label = letters < 3              ? std::string()
                              : name.size() <= letters ? std::string(name)
                                                       : std::string(name.substr(0, letters - 1)) + "…";
    const double y = top + static_cast<double>(level) * row_height;
    out_ << fmt::format(
        "<g class=\"frame\" data-x=\"{:.7g}\" data-w=\"{:.7g}\" data-level=\"{}\"><title>{}\n{} ({:.2f} %), {} in "
        "itself"
        "</title><rect x=\"{:.2f}\" y=\"{}\" width=\"{:.2f}\" height=\"{}\" fill=\"{}\"/><text x=\"{:.2f}\" y=\"{}\">{}"
        "</text></g>\n",
        x, share, level, markup_text(name), human(node.total, unit_), 100 * share, human(node.self, unit_), x * width,
        y, std::max(share * width - 0.5, 0.3), row_height - 1, colour(name), x * width + 3, y + 13, markup_text(label));
    for (const auto& [child_name, child] : node.children) {
      if (!is_drawn(child)) continue;
      draw(child, x, level + 1);
      x += share_of(child);
    }
  }

 private:
  double share_of(std::size_t index) const {
    return static_cast<double>(tree_.nodes()[index].total) /
           static_cast<double>(std::max<std::int64_t>(tree_.total(), 1));
  }
  bool is_drawn(std::size_t index) const { return share_of(index) >= narrowest; }

  const CallTree& tree_;
  const std::string_view unit_;
  std::ostream& out_;
};

void write_drawing(const CallTree& tree, std::string_view title, std::string_view unit, std::ostream& out) {
  Drawing drawing(tree, unit, out);
  const double height = top + static_cast<double>(drawing.levels(0)) * row_height + 10;
  out << fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" width=\"100%\">\n"
      "<style>svg {{ background: #fff; font: 11px monospace; }} .frame {{ cursor: pointer; }}\n"
      ".frame:hover rect {{ stroke: #000; }} .hit rect {{ fill: #c3f; }} text {{ pointer-events: none; }}</style>\n"
      "<text x=\"3\" y=\"18\" font-size=\"15\">{}</text>\n"
      "<text x=\"3\" y=\"35\">click: zoom, Esc: back, Ctrl-F: search</text><text id=\"status\" x=\"330\" "
      "y=\"35\"></text>\n"
      "<text id=\"details\" x=\"3\" y=\"51\"></text>\n",
      width, height, markup_text(title));
  drawing.draw(0, 0, 0);
  out << "<script><![CDATA[\n" << flame_graph_script << "]]></script>\n</svg>\n";
}

}  // namespace

void write_flame_svg(const CallTree& tree, std::string_view title, std::string_view unit, std::ostream& out) {
  out << "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  write_drawing(tree, title, unit, out);
}

void write_flame_html(const CallTree& tree, std::string_view title, std::string_view unit, std::ostream& out) {
  out << "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>" << markup_text(title)
      << "</title>\n<body style=\"margin: 0\">\n";
  write_drawing(tree, title, unit, out);
  out << "</body></html>\n";
}

}  // namespace plateau
