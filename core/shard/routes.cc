#include "core/shard/routes.h"

#include <sys/stat.h>

#include <utility>

#include "core/base/log.h"

namespace roost {

Routes::Built::Stamp Routes::Built::StampOf(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return {};
  return {info.st_dev, info.st_ino, static_cast<uint64_t>(info.st_size),
          static_cast<int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec};
}

Routes::Built Routes::Build(const Config& config, std::string* error) {
  Built built;
  if (config.route.kind == RouteConfig::Kind::kMap) {
    built.map_file = config.route.map_file;
    built.stamp = Built::StampOf(built.map_file);
  }
  std::vector<ConfigError> errors;
  built.router = Router::Build(config, &errors);
  if (!errors.empty()) *error = errors.front().ToString();
  return built;
}

void Routes::Take(Built built) {
  std::erase_if(replaced_, [](const auto& router) { return router.use_count() == 1; });
  if (in_use_) replaced_.push_back(std::move(in_use_.router));
  in_use_ = std::move(built);
  seen_ = in_use_.stamp;
}

bool Routes::Tend(const Config& config, uint64_t now_ns) {
  std::erase_if(replaced_, [](const auto& router) { return router.use_count() == 1; });
  if (in_use_.map_file.empty()) return false;
  const Built::Stamp stamp = Built::StampOf(in_use_.map_file);
  if (stamp != seen_) {
    seen_ = stamp;
    seen_ns_ = now_ns;
  }
  if (stamp == in_use_.stamp || now_ns - seen_ns_ < kSettleNs) return false;
  std::string error;
  Built built = Build(config, &error);
  if (!built) {
    in_use_.stamp = stamp;
    Log(LogLevel::kError, "map_refused", {{"reason", error}});
    return false;
  }
  Log(LogLevel::kInfo, "map_read", {{"file", built.map_file}});
  Take(std::move(built));
  return true;
}

}  // namespace roost
