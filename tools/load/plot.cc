#include "tools/load/plot.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iterator>

namespace roost::load {
namespace {

constexpr double kWidth = 760, kHeight = 300;
constexpr double kLeft = 80, kRight = 20, kTop = 30, kBottom = 50;
constexpr double kLegendStep = 135;  // room for a name
constexpr const char* kColours[] = {"#1f6fb4", "#d95f0e", "#2a9d4a", "#8856a7", "#b8001f"};

std::string Print(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// Maps values of one axis to 0..1 and chooses its marks.
class Range {
 public:
  explicit Range(const Axis& axis) : log_(axis.scale == Axis::Scale::kLogarithmic) {}

  bool Fits(double value) const { return std::isfinite(value) && (!log_ || value > 0); }
  void Take(double value) {
    low_ = std::min(low_, On(value));
    high_ = std::max(high_, On(value));
  }
  bool empty() const { return low_ > high_; }
  // Linear axes begin at 0, logarithmic ones with a whole power of ten.
  void Close() {
    low_ = log_ ? std::floor(low_) : std::min(low_, 0.0);
    high_ = log_ ? std::ceil(high_) : high_;
    if (high_ <= low_) high_ = low_ + 1;
  }
  double Share(double value) const { return (On(value) - low_) / (high_ - low_); }
  std::vector<double> Marks() const {
    std::vector<double> marks;
    if (log_) {
      for (double power = low_; power <= high_; ++power) marks.push_back(std::pow(10, power));
      return marks;
    }
    // 1, 2 or 5 times a power of ten, about five of them.
    const double rough = (high_ - low_) / 5;
    const double power = std::pow(10, std::floor(std::log10(rough)));
    double step = power * 10;
    for (const double factor : {5.0, 2.0, 1.0}) {
      if (factor * power >= rough) step = factor * power;
    }
    for (double mark = 0; mark <= high_ + step / 100; mark += step) marks.push_back(mark);
    return marks;
  }

 private:
  double On(double value) const { return log_ ? std::log10(value) : value; }

  const bool log_;
  double low_ = 1e300, high_ = -1e300;
};

class Drawing {
 public:
  Drawing(const Axis& x, const Axis& y, const std::vector<Line>& lines) : x_(x), y_(y) {
    for (const Line& line : lines) {
      for (const auto& [x_value, y_value] : line.points) {
        if (!x_.Fits(x_value) || !y_.Fits(y_value)) continue;
        x_.Take(x_value);
        y_.Take(y_value);
      }
    }
  }
  bool empty() const { return x_.empty(); }

  std::string Draw(const std::string& title, const Axis& x, const Axis& y,
                   const std::vector<Line>& lines) {
    x_.Close();
    y_.Close();
    out_ = "<svg viewBox=\"0 0 " + Print("%g", kWidth) + Print(" %g", kHeight) +
           "\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\">\n";
    Text(kLeft, 18, "start", title);
    Axes(x, y);
    size_t number = 0;
    for (const Line& line : lines) Draw(line, number++);
    return out_ + "</svg>\n";
  }

 private:
  double X(double share) const { return kLeft + share * (kWidth - kLeft - kRight); }
  double Y(double share) const { return kHeight - kBottom - share * (kHeight - kTop - kBottom); }

  void Text(double x, double y, const char* anchor, const std::string& text) {
    out_ += "<text x=\"" + Print("%.1f", x) + "\" y=\"" + Print("%.1f", y) + "\" text-anchor=\"" +
            anchor + "\">" + EscapeHtml(text) + "</text>\n";
  }

  void Rule(double x1, double y1, double x2, double y2) {
    out_ += "<path class=\"rule\" d=\"M" + Print("%.1f ", x1) + Print("%.1f", y1) + "L" +
            Print("%.1f ", x2) + Print("%.1f", y2) + "\"/>\n";
  }

  void Axes(const Axis& x, const Axis& y) {
    for (const double mark : x_.Marks()) {
      const double at = X(x_.Share(mark));
      Rule(at, Y(0), at, Y(1));
      Text(at, kHeight - kBottom + 16, "middle", Print("%g", mark));
    }
    for (const double mark : y_.Marks()) {
      const double at = Y(y_.Share(mark));
      Rule(X(0), at, X(1), at);
      Text(kLeft - 6, at + 4, "end", Print("%g", mark));
    }
    Text(kWidth - kRight, kHeight - 12, "end", x.label);
    Text(kWidth - kRight, 18, "end", y.label);
  }

  void Draw(const Line& line, size_t number) {
    const std::string colour = kColours[number % std::size(kColours)];
    out_ += "<polyline fill=\"none\" stroke=\"" + colour + "\" points=\"";
    for (const auto& [x, y] : line.points) {
      if (!x_.Fits(x) || !y_.Fits(y)) continue;
      out_ += Print("%.1f,", X(x_.Share(x))) + Print("%.1f ", Y(y_.Share(y)));
    }
    out_ += "\"/>\n";
    const double at = kLeft + kLegendStep * static_cast<double>(number);
    out_ += "<rect x=\"" + Print("%.1f", at) + "\" y=\"" + Print("%.1f", kHeight - 21) +
            "\" width=\"10\" height=\"10\" fill=\"" + colour + "\"/>\n";
    Text(at + 14, kHeight - 12, "start", line.name);
  }

  Range x_, y_;
  std::string out_;
};

}  // namespace

std::string EscapeHtml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string PlotSvg(const std::string& title, const Axis& x, const Axis& y,
                    const std::vector<Line>& lines) {
  Drawing drawing(x, y, lines);
  if (drawing.empty()) return {};
  return drawing.Draw(title, x, y, lines);
}

}  // namespace roost::load
