// ModelStore: its bad days.
#include <algorithm>
#include <utility>

#include "core/sim/model_session.h"
#include "core/sim/model_store.h"

namespace roost {
namespace {

constexpr uint64_t kListenerNumber = 0;
// How long a client may still hear that its session was lost.
constexpr uint64_t kTroubleNs = 60 * kNsPerSecond;
// A session in IDLE that hangs is found out by the driver's check, if by anything.
constexpr uint64_t kIdleHangSeconds = 700;

}  // namespace

ModelSession* ModelStore::RandomSession() {
  std::vector<ModelSession*> open;
  for (const auto& session : sessions_) {
    if (!session->dead()) open.push_back(session.get());
  }
  return open.empty() ? nullptr : open[rng_.Below(open.size())];
}

ModelSession* ModelStore::RandomIdling() {
  std::vector<ModelSession*> open;
  for (const auto& session : sessions_) {
    if (!session->dead() && session->idling() && !session->hangs()) open.push_back(session.get());
  }
  return open.empty() ? nullptr : open[rng_.Below(open.size())];
}

void ModelStore::Break(StoreFault fault, std::string_view user_name, std::string_view mailbox) {
  const std::string user(user_name), name(mailbox);
  ModelSession* session = RandomSession();
  const uint64_t while_ns = rng_.Below(8 * kNsPerSecond);
  switch (fault) {
    case StoreFault::kCut:
      if (session == nullptr) return;
      ++counts_.cuts;
      return session->Cut();
    case StoreFault::kAimedCut: {
      static constexpr std::string_view kAims[] = {
          "LOGIN", "AUTHENTICATE", "ENABLE", "SELECT", "EXAMINE",  "SEARCH", "FETCH",
          "STORE", "NOOP",         "IDLE",   "DONE",   "UNSELECT", "APPEND"};
      aimed_cut_ = kAims[rng_.Below(std::size(kAims))];
      return;
    }
    case StoreFault::kHalfBody:
      half_body_ = true;
      return;
    case StoreFault::kBye:
      if (session == nullptr) return;
      ++counts_.byes;
      return session->Bye("[UNAVAILABLE] This session ends.");
    case StoreFault::kHang:
      if (session == nullptr) return;
      ++counts_.hangs;
      return session->Hang(session->idling() ? SecondsToNs(kIdleHangSeconds)
                                             : SecondsToNs(rng_.Between(20, 90)));
    case StoreFault::kGarbage:
      session = RandomIdling();
      if (session == nullptr) return;
      ++counts_.garbage;
      return session->Garbage();
    case StoreFault::kRestart:
      return Restart(rng_.Chance(0.2) ? SecondsToNs(rng_.Between(60, 240))
                                      : rng_.Below(15 * kNsPerSecond));
    case StoreFault::kRefuseLogins:
      refuses_until_ns_ = wires_.now_ns() + while_ns;
      return;
    case StoreFault::kRefuseSelects:
      refuses_selects_until_ns_ = wires_.now_ns() + while_ns / 2;
      return;
    case StoreFault::kPassword:
      ++counts_.passwords;
      ++password_versions_[user];
      return transcript_.Add(wires_.now_ns(), user, "truth", "the password is changed");
    case StoreFault::kReplace: {
      ++counts_.replaced;
      return Replace(user, name, NewMailbox(user, name, 1));
    }
    case StoreFault::kDelete:
      if (name == "INBOX" || Find(user, name) == nullptr) return;
      ++counts_.deleted;
      Replace(user, name, nullptr);
      return CreateLater(user, name);
    case StoreFault::kRename:
      return Rename(user, name);
    case StoreFault::kGoBack:
      return GoBack(user, name);
  }
}

void ModelStore::EndFaults() {
  aimed_cut_.clear();
  half_body_ = false;
}

void ModelStore::Thaw() {
  for (const auto& mailbox : every_mailbox_) mailbox->set_frozen(false);
}

void ModelStore::Restart(uint64_t away_ns) {
  ++counts_.restarts;
  if (away_ns > SecondsToNs(30)) ++counts_.long_restarts;
  transcript_.Add(wires_.now_ns(), "", "store", "restarts");
  NoteTrouble("", away_ns + kTroubleNs);
  for (const auto& session : sessions_) {
    if (!session->dead()) session->Cut();
  }
  if (!listening_) return;
  listening_ = false;
  wires_.io().CloseListener(kListenerNumber);
  wires_.In(away_ns, life_, [this] {
    listening_ = true;
    wires_.io().Listen(listener_, kListenerNumber);
    transcript_.Add(wires_.now_ns(), "", "store", "is back");
  });
}

// `by` may be null: nothing.
void ModelStore::Replace(const std::string& user, const std::string& name,
                         std::shared_ptr<ModelMailbox> by) {
  auto it = mailboxes_.find({user, name});
  const std::shared_ptr<ModelMailbox> old = it == mailboxes_.end() ? nullptr : it->second;
  transcript_.Add(wires_.now_ns(), user, "truth",
                  name + (by == nullptr ? " is gone" : " is another"));
  disturbed_ns_[{user, name}] = wires_.now_ns();
  if (by == nullptr) {
    mailboxes_.erase({user, name});
  } else {
    mailboxes_[{user, name}] = std::move(by);
  }
  if (old != nullptr) old->Replace();
}

void ModelStore::CreateLater(const std::string& user, const std::string& name) {
  if (rng_.Chance(0.5)) return;
  wires_.In(rng_.Below(10 * kNsPerSecond), life_, [this, user, name] {
    if (Find(user, name) == nullptr) Replace(user, name, NewMailbox(user, name, 1));
  });
}

// Whoever has it selected goes on to hear of it.
void ModelStore::Rename(const std::string& user, const std::string& name) {
  auto it = mailboxes_.find({user, name});
  if (name == "INBOX" || it == mailboxes_.end()) return;
  ++counts_.renamed;
  transcript_.Add(wires_.now_ns(), user, "truth", name + " is renamed");
  disturbed_ns_[{user, name}] = wires_.now_ns();
  mailboxes_[{user, name + ".old" + std::to_string(counts_.renamed)}] = it->second;
  mailboxes_.erase(it);
  CreateLater(user, name);
}

void ModelStore::GoBack(const std::string& user, const std::string& name) {
  const std::shared_ptr<ModelMailbox> now = Find(user, name);
  if (now == nullptr || now->highest_modseq() < 3) return;
  const uint64_t modseq = now->highest_modseq() - 1 - rng_.Below(now->highest_modseq() / 2);
  const std::shared_ptr<ModelMailbox> then = now->AsBefore(modseq);
  if (then == nullptr) return;
  ++counts_.went_back;
  then->set_frozen(true);
  every_mailbox_.push_back(then);
  Replace(user, name, then);
}

// ---- What may come of it ----

bool ModelStore::TakeAimedCut(std::string_view command) {
  if (aimed_cut_.empty() || aimed_cut_ != command) return false;
  aimed_cut_.clear();
  ++counts_.aimed_cuts;
  return true;
}

void ModelStore::NoteTrouble(const std::string& user, uint64_t for_ns) {
  uint64_t& until = trouble_until_ns_[user];
  until = std::max(until, wires_.now_ns() + for_ns);
}

bool ModelStore::InTrouble(const std::string& user) const {
  for (const std::string& who : {user, std::string()}) {
    auto it = trouble_until_ns_.find(who);
    if (it != trouble_until_ns_.end() && it->second > wires_.now_ns()) return true;
  }
  return false;
}

bool ModelStore::DisturbedSince(const std::string& user, const std::string& mailbox,
                                uint64_t ns) const {
  auto it = disturbed_ns_.find({user, mailbox});
  return it != disturbed_ns_.end() && it->second >= ns;
}

void ModelStore::NoteTag(const std::string& user, const std::string& tag) {
  // Those of model clients: a12.345.
  if (tag.size() < 2 || tag[0] != 'a' || tag.find('.') == tag.npos) return;
  if (!tags_.insert(tag).second) Report(user, "store", "command " + tag + " comes again");
}

}  // namespace roost
