#include "core/route/route.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <unordered_map>
#include <utility>

#include "core/route/lookup_service.h"
#include "proto/ascii.h"
#include "proto/check.h"

namespace roost {
namespace {

constexpr size_t kMaxLine = 1024;           // bytes of a line of the map
constexpr size_t kMaxMapFile = 256u << 20;  // bytes; about five million users
constexpr size_t kMaxErrors = 100;          // what anybody reads

std::optional<StoreIndex> FindStore(const Config& config, std::string_view name) {
  for (size_t i = 0; i < config.stores.size(); ++i) {
    if (config.stores[i].name == name) return static_cast<StoreIndex>(i);
  }
  return std::nullopt;
}

class StaticRouter : public Router {
 public:
  explicit StaticRouter(StoreIndex store) : store_(store) {}
  std::optional<StoreIndex> Route(std::string_view) const override { return store_; }

 private:
  const StoreIndex store_;
};

class LookupRouter : public Router {
 public:
  explicit LookupRouter(std::unique_ptr<const LookupService> service)
      : service_(std::move(service)) {}
  std::optional<StoreIndex> Route(std::string_view) const override { return std::nullopt; }
  const LookupService* service() const override { return service_.get(); }

 private:
  const std::unique_ptr<const LookupService> service_;
};

class HashRouter : public Router {
 public:
  struct Member {
    StoreIndex index;
    std::string name;
    int weight;
  };
  explicit HashRouter(std::vector<Member> members) : members_(std::move(members)) {}

  std::optional<StoreIndex> Route(std::string_view user) const override {
    return Best(user, {})->index;
  }
  std::optional<StoreIndex> RouteAround(std::string_view user,
                                        const std::vector<bool>& drained) const override {
    const Member* best = Best(user, drained);
    return best != nullptr ? best->index : Route(user);
  }

 private:
  const Member* Best(std::string_view user, const std::vector<bool>& drained) const {
    const Member* best = nullptr;
    double best_score = 0;
    for (const Member& member : members_) {
      if (member.index < drained.size() && drained[member.index]) continue;
      double score = RendezvousScore(user, member.name, member.weight);
      // Equal scores are decided by name, so that the order of the stores does not matter.
      bool wins = best == nullptr || score > best_score ||
                  (score == best_score && member.name < best->name);
      if (!wins) continue;
      best = &member;
      best_score = score;
    }
    return best;
  }

  const std::vector<Member> members_;
};

// Lets a map with std::string keys be asked with a string_view.
struct ViewHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
using NameMap = std::unordered_map<std::string, StoreIndex, ViewHash, std::equal_to<>>;

class MapRouter : public Router {
 public:
  std::optional<StoreIndex> Route(std::string_view user) const override {
    if (auto found = users_.find(user); found != users_.end()) return found->second;
    size_t at = user.rfind('@');
    if (at != std::string_view::npos && !domains_.empty()) {
      auto found = domains_.find(ToLowerAscii(user.substr(at + 1)));
      if (found != domains_.end()) return found->second;
    }
    return default_;
  }

  // False if the name is in the map already.
  bool Add(std::string_view name, bool quoted, StoreIndex store) {
    if (!quoted && name == "*") {
      bool first = !default_;
      if (first) default_ = store;
      return first;
    }
    if (!quoted && name.front() == '@') {
      return domains_.emplace(ToLowerAscii(name.substr(1)), store).second;
    }
    return users_.emplace(std::string(name), store).second;
  }

  void SetDefault(StoreIndex store) { default_ = store; }

 private:
  NameMap users_;    // as presented at login
  NameMap domains_;  // in lower case
  std::optional<StoreIndex> default_;
};

// One entry of the map file, or why the line is none. A line without entry: name empty.
struct MapLine {
  std::string name;
  bool quoted = false;
  std::string_view store;
  const char* problem = nullptr;
};

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

std::string_view SkipBlanks(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  return text;
}

std::string_view TakeWord(std::string_view* text) {
  size_t length = 0;
  while (length < text->size() && !IsBlank((*text)[length]) && (*text)[length] != '#') ++length;
  std::string_view word = text->substr(0, length);
  text->remove_prefix(length);
  return word;
}

// Takes "…" with \" and \\ from the front. False if it does not end.
bool TakeQuoted(std::string_view* text, std::string* out) {
  for (size_t i = 1; i < text->size(); ++i) {
    char c = (*text)[i];
    if (c == '"') {
      text->remove_prefix(i + 1);
      return true;
    }
    if (c == '\\' && ++i == text->size()) return false;
    out->push_back((*text)[i]);
  }
  return false;
}

MapLine ParseMapLine(std::string_view line) {
  MapLine parsed;
  if (line.size() > kMaxLine) {
    parsed.problem = "the line is longer than 1024 bytes";
    return parsed;
  }
  for (unsigned char c : line) {
    if ((c < 0x20 && c != '\t') || c == 0x7f) parsed.problem = "there is a control character";
  }
  line = SkipBlanks(line);
  if (parsed.problem != nullptr || line.empty() || line.front() == '#') return parsed;
  parsed.quoted = line.front() == '"';
  if (parsed.quoted) {
    if (!TakeQuoted(&line, &parsed.name)) {
      parsed.problem = "the closing quote is missing";
    } else if (!line.empty() && !IsBlank(line.front())) {
      parsed.problem = "a blank must follow the quote";
    }
  } else {
    parsed.name = TakeWord(&line);
  }
  if (parsed.problem == nullptr && (parsed.name.empty() || parsed.name == "@")) {
    parsed.problem = "the name is empty";
  }
  line = SkipBlanks(line);
  parsed.store = TakeWord(&line);
  line = SkipBlanks(line);
  if (parsed.problem != nullptr) return parsed;
  if (parsed.store.empty()) parsed.problem = "the store is missing";
  if (!line.empty() && line.front() != '#')
    parsed.problem = "there is more than a name and a store";
  return parsed;
}

class MapReader {
 public:
  MapReader(const Config& config, std::vector<ConfigError>* errors)
      : config_(config), errors_(errors), router_(std::make_unique<MapRouter>()) {}

  std::unique_ptr<const Router> Read(std::string_view map) {
    size_t before = errors_->size();
    while (!map.empty() && errors_->size() < before + kMaxErrors) {
      size_t end = std::min(map.find('\n'), map.size());
      std::string_view line = map.substr(0, end);
      map.remove_prefix(std::min(end + 1, map.size()));
      if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
      ++line_;
      TakeLine(line);
    }
    AddConfiguredDefault();
    if (errors_->size() > before) return nullptr;
    return std::move(router_);
  }

 private:
  void TakeLine(std::string_view line) {
    MapLine entry = ParseMapLine(line);
    if (entry.problem != nullptr) {
      Fail(entry.problem, "write 'user store', '@domain store' or '* store'");
    } else if (!entry.name.empty()) {
      std::optional<StoreIndex> store = FindStore(config_, entry.store);
      if (!store) {
        Fail("there is no store '" + std::string(entry.store) + "'", "one of: " + StoreNames());
      } else if (!router_->Add(entry.name, entry.quoted, *store)) {
        Fail("'" + entry.name + "' is named twice", "keep one line");
      } else if (entry.name == "*" && !entry.quoted) {
        star_line_ = line_;
      }
    }
  }

  void AddConfiguredDefault() {
    if (config_.route.default_store.empty()) return;
    std::optional<StoreIndex> store = FindStore(config_, config_.route.default_store);
    ROOST_CHECK(store);  // LoadConfig has looked
    if (star_line_ > 0) {
      line_ = star_line_;
      return Fail("'*' stands beside route.default_store", "keep one of them");
    }
    router_->SetDefault(*store);
  }

  std::string StoreNames() const {
    std::string names;
    for (const StoreConfig& store : config_.stores) {
      names += (names.empty() ? "" : ", ") + store.name;
    }
    return names;
  }

  void Fail(std::string problem, std::string advice) {
    errors_->push_back({config_.route.map_file, line_, "", std::move(problem), std::move(advice)});
  }

  const Config& config_;
  std::vector<ConfigError>* const errors_;
  std::unique_ptr<MapRouter> router_;
  int line_ = 0;
  int star_line_ = 0;
};

std::unique_ptr<const Router> BuildHash(const Config& config) {
  std::vector<HashRouter::Member> members;
  for (size_t i = 0; i < config.stores.size(); ++i) {
    const StoreConfig& store = config.stores[i];
    const std::vector<std::string>& named = config.route.stores;
    if (!named.empty() && std::find(named.begin(), named.end(), store.name) == named.end()) {
      continue;
    }
    members.push_back({static_cast<StoreIndex>(i), store.name, store.weight});
  }
  ROOST_CHECK(!members.empty());  // LoadConfig has looked
  return std::make_unique<HashRouter>(std::move(members));
}

// FNV-1a over both names with a separator that neither holds, then a finalizer that mixes all bits
// (the one of splitmix64): without it neighbouring names would score alike.
uint64_t HashPair(std::string_view user, std::string_view store) {
  constexpr uint64_t kOffset = 0xcbf29ce484222325, kPrime = 0x100000001b3;
  uint64_t hash = kOffset;
  auto add = [&](unsigned char c) { hash = (hash ^ c) * kPrime; };
  for (unsigned char c : user) add(c);
  add(0);
  for (unsigned char c : store) add(c);
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
  return hash ^ (hash >> 31);
}

}  // namespace

double RendezvousScore(std::string_view user, std::string_view store_name, int weight) {
  // 53 bits, moved off zero: a number in (0, 1).
  double uniform =
      (static_cast<double>(HashPair(user, store_name) >> 11) + 0.5) / 9007199254740992.0;
  return -static_cast<double>(weight) / std::log(uniform);
}

std::unique_ptr<const Router> Router::BuildFromText(const Config& config, std::string_view map,
                                                    std::vector<ConfigError>* errors) {
  switch (config.route.kind) {
    case RouteConfig::Kind::kStatic: {
      std::optional<StoreIndex> store =
          config.route.store.empty() ? 0 : FindStore(config, config.route.store);
      ROOST_CHECK(store && *store < config.stores.size());  // LoadConfig has looked
      return std::make_unique<StaticRouter>(*store);
    }
    case RouteConfig::Kind::kHash:
      return BuildHash(config);
    case RouteConfig::Kind::kMap:
      return MapReader(config, errors).Read(map);
    case RouteConfig::Kind::kHttp: {
      auto service = MakeLookupService(config, errors);
      if (service == nullptr) return nullptr;
      return std::make_unique<LookupRouter>(std::move(service));
    }
  }
  return nullptr;
}

std::unique_ptr<const Router> Router::Build(const Config& config,
                                            std::vector<ConfigError>* errors) {
  if (config.route.kind != RouteConfig::Kind::kMap) return BuildFromText(config, "", errors);
  const std::string& path = config.route.map_file;
  std::ifstream file(path, std::ios::binary);
  std::string map, piece(1 << 16, '\0');
  while (file && map.size() <= kMaxMapFile) {
    file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    map.append(piece, 0, static_cast<size_t>(file.gcount()));
  }
  if (!file.is_open() || file.bad()) {
    errors->push_back({path, 0, "", std::string("cannot be read: ") + std::strerror(errno),
                       "correct route.map_file"});
    return nullptr;
  }
  if (map.size() > kMaxMapFile) {
    errors->push_back({path, 0, "", "is larger than 256 MiB", "use '@domain store' lines"});
    return nullptr;
  }
  return BuildFromText(config, map, errors);
}

}  // namespace roost
