// How a run went over time, in a bounded number of points.
//
// Pure. When the points are too many every second one goes and the next come half as often, so the
// whole run is always there, about evenly spaced.
#ifndef ROOST_TOOLS_LOAD_SERIES_H_
#define ROOST_TOOLS_LOAD_SERIES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace roost::load {

struct Point {
  double seconds = 0;  // since the run began
  uint64_t idle = 0;
  uint64_t delivered = 0, received = 0;  // so far
};

class Series {
 public:
  static constexpr size_t kMostPoints = 600;
  static constexpr double kFirstIntervalS = 0.1;

  // Keeps it if one is due. Points come in order of time.
  void Add(const Point& point) {
    if (!points_.empty() && point.seconds < points_.back().seconds + interval_s_) return;
    points_.push_back(point);
    if (points_.size() < kMostPoints) return;
    for (size_t i = 0; 2 * i < points_.size(); ++i) points_[i] = points_[2 * i];
    points_.resize((points_.size() + 1) / 2);
    interval_s_ *= 2;
  }
  // The last of all.
  void End(const Point& point) { points_.push_back(point); }
  const std::vector<Point>& points() const { return points_; }

 private:
  std::vector<Point> points_;
  double interval_s_ = kFirstIntervalS;
};

}  // namespace roost::load

#endif  // ROOST_TOOLS_LOAD_SERIES_H_
