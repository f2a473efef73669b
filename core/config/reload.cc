// What a reload takes of a configuration, and what it leaves for a restart.
//
// The keys that it leaves stand here by name and are marked `restart` in schema.h; a test goes
// through all keys and compares the two.

#include <algorithm>
#include <type_traits>
#include <utility>

#include "core/config/report.h"
#include "core/config/schema.h"

namespace roost {
namespace {

using config_detail::Form;
using config_detail::FormatValue;
using config_detail::KeyOf;
using config_detail::RouteFits;
using config_detail::Spec;
using config_detail::Visit;

// A visitor of schema.h that writes all keys and values, secrets apart.
class Lister {
 public:
  struct Entry {
    std::string list;  // the key of the list that it is in
    std::string key, value;
  };
  std::vector<Entry> entries;

  template <class T>
  void Field(std::string_view key, T& member, const Spec& spec) {
    if (spec.form != Form::kSecret) Add(key, FormatValue(member, spec));
  }
  template <class T>
  void Field(std::string_view key, std::vector<T>& member, const Spec& spec) {
    std::string all;
    for (const T& value : member) all.append(FormatValue(value, spec)).append("\n");
    Add(key, std::move(all));
  }
  template <class T>
  void Section(std::string_view key, T& member, std::string_view) {
    const std::string outer = std::exchange(prefix_, std::string(key) + ".");
    Visit(*this, member);
    prefix_ = outer;
  }
  template <class T>
  void List(std::string_view key, std::vector<T>& member, std::string_view, bool) {
    Add(key, std::to_string(member.size()));
    list_ = key;
    for (size_t i = 0; i < member.size(); ++i) {
      prefix_ = KeyOf(list_, i, "") + ".";
      Visit(*this, member[i]);
    }
    list_.clear();
    prefix_.clear();
  }

 private:
  void Add(std::string_view key, std::string value) {
    entries.push_back({list_, prefix_ + std::string(key), std::move(value)});
  }
  std::string prefix_, list_;
};

std::vector<Lister::Entry> EntriesOf(Config config) {  // visitors may write to it
  Lister lister;
  Visit(lister, config);
  return std::move(lister.entries);
}

// Of a list with more or fewer elements the list itself.
std::vector<std::string> DifferentKeys(const Config& a, const Config& b) {
  const std::vector<Lister::Entry> ones = EntriesOf(a), others = EntriesOf(b);
  std::vector<std::string> keys;
  for (auto one = ones.begin(), other = others.begin(); one != ones.end();) {
    const std::string key = one->key;
    const bool same = one->value == other->value;
    ++one, ++other;
    if (same) continue;
    keys.push_back(key);
    while (one != ones.end() && one->list == key) ++one;
    while (other != others.end() && other->list == key) ++other;
  }
  return keys;
}

// All but its name and who logs in for its users.
void TakeStore(const StoreConfig& from, StoreConfig* to) {
  StoreConfig taken = from;
  if (taken.login != to->login) {
    taken.login = to->login;
    taken.master_user = to->master_user;
    taken.master_password = to->master_password;
    taken.master_password_file = to->master_password_file;
    taken.master_separator = to->master_separator;
  }
  Cleanse(&to->master_password);
  *to = taken;
}

}  // namespace

std::vector<std::string> TakeReloadable(const Config& from, Config* to) {
  Config taken = from;
  taken.listeners = to->listeners;
  taken.shards = to->shards;
  taken.descriptors = to->descriptors;
  taken.timeouts.tcp_user_timeout_s = to->timeouts.tcp_user_timeout_s;
  taken.timeouts.tcp_keepalive_s = to->timeouts.tcp_keepalive_s;
  taken.log.format = to->log.format;
  taken.log.file = to->log.file;
  taken.admin = to->admin;
  taken.control_socket = to->control_socket;
  taken.user = to->user;
  taken.dumpable = to->dumpable;
  taken.stores.clear();
  taken.stores = to->stores;
  for (StoreConfig& store : taken.stores) {
    const auto it = std::find_if(from.stores.begin(), from.stores.end(),
                                 [&](const StoreConfig& s) { return s.name == store.name; });
    if (it != from.stores.end()) TakeStore(*it, &store);
  }
  // It waits for a restart as its stores do: all the rest must not be refused for it.
  if (RouteFits(from) && !RouteFits(taken)) {
    taken.route = to->route;
    taken.lookup = to->lookup;
  }
  *to = std::move(taken);
  return DifferentKeys(from, *to);
}

}  // namespace roost
