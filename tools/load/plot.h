// A plot as inline SVG: some lines over two axes.
//
// Pure; no scripts, no fonts of its own, nothing to fetch. Axes are linear or logarithmic; what
// cannot stand on a logarithmic one (zero and below) is left out.
#ifndef ROOST_TOOLS_LOAD_PLOT_H_
#define ROOST_TOOLS_LOAD_PLOT_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace roost::load {

struct Axis {
  enum class Scale { kLinear, kLogarithmic };
  std::string label;
  Scale scale = Scale::kLinear;
};

struct Line {
  std::string name;
  std::vector<std::pair<double, double>> points;  // in order of x
};

// "&", "<", ">" and quotes become entities.
std::string EscapeHtml(std::string_view text);

// Empty when there is nothing to draw.
std::string PlotSvg(const std::string& title, const Axis& x, const Axis& y,
                    const std::vector<Line>& lines);

}  // namespace roost::load

#endif  // ROOST_TOOLS_LOAD_PLOT_H_
