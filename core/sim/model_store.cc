#include "core/sim/model_store.h"

#include <algorithm>
#include <utility>

#include "core/sim/imap_text.h"
#include "core/sim/model_replica.h"
#include "core/sim/model_session.h"

namespace roost {
namespace {

constexpr uint64_t kListenerNumber = 0;
constexpr uint32_t kMaxBody = 3000;
constexpr uint32_t kHugeBody = 200'000;  // more than a relay buffers

}  // namespace

ModelStore::ModelStore(Wires& wires, uint64_t seed, const StoreTraits& traits,
                       Transcript& transcript, Violations& violations)
    : wires_(wires),
      rng_(seed),
      traits_(traits),
      transcript_(transcript),
      violations_(violations),
      replica_rng_(seed + 1) {
  wires_.set_accept([this](SocketId socket, const Address&) {
    ++counts_.sessions;
    sessions_.push_back(std::make_unique<ModelSession>(*this, next_session_++, socket));
  });
}

ModelStore::~ModelStore() = default;

void ModelStore::Listen(const ListenerDescriptor& descriptor) {
  listener_ = descriptor;
  listening_ = true;
  wires_.io().Listen(listener_, kListenerNumber);
}

std::string ModelStore::PasswordOf(std::string_view user) const {
  return "pw-" + std::string(user) + "-" + std::to_string(PasswordVersion(user));
}

uint32_t ModelStore::PasswordVersion(std::string_view user) const {
  auto it = password_versions_.find(user);
  return it == password_versions_.end() ? 0 : it->second;
}

std::shared_ptr<ModelMailbox> ModelStore::NewMailbox(const std::string& user,
                                                     const std::string& name, uint32_t first_uid) {
  ModelMailbox::Traits traits;
  traits.no_modseq = rng_.Chance(traits_.no_modseq);
  traits.uid_not_sticky = rng_.Chance(traits_.uid_not_sticky);
  every_mailbox_.push_back(
      std::make_shared<ModelMailbox>(user, name, next_validity_++, first_uid, traits));
  return every_mailbox_.back();
}

void ModelStore::AddMailbox(const std::string& user, const std::string& name) {
  const auto first = static_cast<uint32_t>(rng_.Between(1, 30));
  mailboxes_[{user, name}] = NewMailbox(user, name, first);
}

std::shared_ptr<ModelMailbox> ModelStore::FindByValidity(std::string_view user,
                                                         uint32_t validity) const {
  for (auto it = every_mailbox_.rbegin(); it != every_mailbox_.rend(); ++it) {
    if ((*it)->uid_validity() == validity && (*it)->user() == user) return *it;
  }
  return nullptr;
}

std::shared_ptr<ModelMailbox> ModelStore::Find(std::string_view user, std::string_view name) const {
  const std::string key = SameWord(name, "INBOX") ? "INBOX" : std::string(name);
  auto it = mailboxes_.find({std::string(user), key});
  return it == mailboxes_.end() ? nullptr : it->second;
}

ModelReplica& ModelStore::ReplicaOf(const std::shared_ptr<ModelMailbox>& mailbox) {
  for (const auto& replica : replicas_) {
    if (replica->truth() == mailbox) return *replica;
  }
  replicas_.push_back(std::make_unique<ModelReplica>(wires_, mailbox, replica_rng_.Fork(),
                                                     traits_.max_lag_ns, traits_.flags_lag));
  return *replicas_.back();
}

std::vector<std::string> ModelStore::MailboxesOf(std::string_view user) const {
  std::vector<std::string> names;
  for (const auto& [key, mailbox] : mailboxes_) {
    if (key.first == user) names.push_back(key.second);
  }
  return names;
}

std::string ModelStore::LogIn(std::string_view authzid, std::string_view user,
                              std::string_view password) {
  std::string who(user);
  if (!authzid.empty() && authzid != user) {
    if (user != kMaster || password != kMasterPassword) return {};
    who = authzid;
  } else if (password != PasswordOf(user)) {
    NoteOutdated(user, password);
    return {};
  }
  return MailboxesOf(who).empty() ? std::string() : who;
}

// Whoever was refused should not try again. Now and then somebody does who was not told, because
// the connection broke, or who was told that it was right at the moment when it became wrong.
void ModelStore::NoteOutdated(std::string_view user, std::string_view password) {
  static constexpr uint64_t kLateNs = 30 * kNsPerSecond;
  static constexpr int kMostLate = 2;
  if (password.substr(0, 3) != "pw-" || refuses_logins()) return;
  const uint64_t now = wires_.now_ns();
  Refusals& refusals = refusals_.try_emplace(std::string(password), Refusals{now, 0}).first->second;
  if (now - refusals.first_ns < kLateNs || ++refusals.late <= kMostLate) return;
  Report(std::string(user), "store", "a password that was refused is tried again and again");
}

// Some are the same again.
std::string ModelStore::SomeAlert() {
  if (traits_.alerts == 0 || !rng_.Chance(traits_.alerts)) return {};
  return "[ALERT] Look at this: " + std::to_string(counts_.alerts++ / 2);
}

std::string ModelStore::CapabilityText(bool logged_in) const {
  std::string text = "IMAP4rev1";
  if (traits_.idle) text += " IDLE";
  if (traits_.notify && logged_in) text += " NOTIFY";
  if (traits_.sort) text += " SORT THREAD=REFERENCES";
  if (!logged_in) text += " AUTH=PLAIN";
  if (traits_.sasl_ir) text += " SASL-IR";
  if (traits_.id) text += " ID";
  if (traits_.literal_plus) text += " LITERAL+";
  if (traits_.enable) text += " ENABLE";
  if (traits_.esearch) text += " ESEARCH";
  if (traits_.condstore) text += " CONDSTORE";
  if (traits_.qresync) text += " QRESYNC";
  if (traits_.unselect) text += " UNSELECT";
  if (traits_.uidplus) text += " UIDPLUS";
  if (traits_.move) text += " MOVE";
  return text;
}

std::string ModelStore::RandomFlag() {
  static constexpr std::string_view kFlags[] = {"\\Seen", "\\Flagged", "\\Answered", "\\Deleted",
                                                "$a",     "$b",        "$Forwarded"};
  return std::string(kFlags[rng_.Below(std::size(kFlags))]);
}

void ModelStore::Report(const std::string& user, const std::string& who, const std::string& text) {
  violations_.Add(wires_.now_ns(), user, who, text);
}

// ---- What other sessions do, and what goes wrong ----

void ModelStore::DeliverTo(ModelMailbox& mailbox) {
  if (mailbox.frozen()) return;
  ModelFlags flags;
  if (rng_.Chance(0.2)) flags.insert(RandomFlag());
  const uint32_t most = rng_.Chance(0.03) ? kHugeBody : kMaxBody;
  const uint32_t uid = mailbox.Deliver(flags, static_cast<uint32_t>(rng_.Below(most)));
  ++counts_.delivered;
  transcript_.Add(wires_.now_ns(), mailbox.user(), "truth",
                  mailbox.name() + " gets UID " + std::to_string(uid));
}

void ModelStore::ExpungeFrom(ModelMailbox& mailbox) {
  if (mailbox.messages().empty()) return;
  const uint32_t uid = mailbox.messages()[rng_.Below(mailbox.messages().size())].uid;
  mailbox.Expunge(uid);
  ++counts_.expunged;
  transcript_.Add(wires_.now_ns(), mailbox.user(), "truth",
                  mailbox.name() + " loses UID " + std::to_string(uid));
}

void ModelStore::ReflagIn(ModelMailbox& mailbox) {
  if (mailbox.messages().empty()) return;
  const ModelMessage& m = mailbox.messages()[rng_.Below(mailbox.messages().size())];
  const uint32_t uid = m.uid;
  ModelFlags flags = m.flags;
  const std::string flag = RandomFlag();
  if (flags.erase(flag) == 0) flags.insert(flag);
  transcript_.Add(wires_.now_ns(), mailbox.user(), "truth",
                  mailbox.name() + " UID " + std::to_string(uid) + " is (" + FlagText(flags) + ")");
  mailbox.SetFlags(uid, std::move(flags));
  ++counts_.reflagged;
}

void ModelStore::ToggleReadOnly(ModelMailbox& mailbox) {
  if (!traits_.read_only_sometimes) return;
  ++counts_.read_only;
  mailbox.set_read_only(!mailbox.read_only());
  transcript_.Add(wires_.now_ns(), mailbox.user(), "truth",
                  mailbox.name() + (mailbox.read_only() ? " is read-only" : " can be written"));
}

// ---- What it sees ----

size_t ModelStore::sessions_open() const {
  return static_cast<size_t>(std::count_if(sessions_.begin(), sessions_.end(), [](const auto& s) {
    return !s->dead() && !s->user().empty();
  }));
}

size_t ModelStore::sessions_of(std::string_view user) const {
  return static_cast<size_t>(std::count_if(sessions_.begin(), sessions_.end(), [&](const auto& s) {
    return !s->dead() && s->user() == user;
  }));
}

size_t ModelStore::idling() const {
  return static_cast<size_t>(std::count_if(
      sessions_.begin(), sessions_.end(), [](const auto& s) { return !s->dead() && s->idling(); }));
}

std::string ModelStore::Describe(std::string_view user) const {
  std::string text;
  for (const auto& session : sessions_) {
    if (session->dead() || session->user() != user) continue;
    text += " #" + std::to_string(session->number());
    text += session->selected() == nullptr ? "(none" : "(" + session->selected()->name();
    text += session->idling() ? ", idling)" : ")";
    if (session->hangs()) text += " hangs";
  }
  return text;
}

std::string ModelStore::Unrest() const {
  if (!listening_) return "the store is away";
  if (refuses_logins() || refuses_selects()) return "the store refuses";
  for (const auto& replica : replicas_) {
    if (replica->behind()) return "a replica is behind: " + replica->truth()->name();
  }
  for (const auto& session : sessions_) {
    if (session->dead()) continue;
    const std::string which = " session " + std::to_string(session->number());
    if (session->hangs()) return "it hangs:" + which;
    if (session->HasNews()) return "the store has news for" + which;
  }
  return {};
}

void ModelStore::Sweep() {
  std::erase_if(sessions_, [](const auto& session) { return session->dead(); });
}

}  // namespace roost
