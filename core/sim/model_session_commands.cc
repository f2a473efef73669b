// ModelSession: the commands on messages.
#include <algorithm>
#include <utility>

#include "core/sim/model_session.h"

namespace roost {

std::vector<size_t> ModelSession::Positions(std::string_view set, bool* valid) {
  std::vector<size_t> positions;
  *valid = true;
  if (uid_command_) {
    const uint32_t last = view_.empty() ? 0 : view_.back().uid;
    const std::vector<uint32_t> uids = ExpandSet(set, last);
    for (size_t i = 0; i < view_.size(); ++i) {
      if (std::binary_search(uids.begin(), uids.end(), view_[i].uid)) positions.push_back(i);
    }
    return positions;
  }
  const auto size = static_cast<uint32_t>(view_.size());
  // Beyond the end: one number too many is enough to see.
  const std::vector<uint32_t> numbers = ExpandSet(set, size);
  const std::vector<uint32_t> beyond = ExpandSet(set, size + 1);
  const bool star = set.find('*') != set.npos;
  *valid = !numbers.empty() && (star || beyond.size() == numbers.size());
  for (uint32_t n : numbers) positions.push_back(n - 1);
  return positions;
}

namespace {

// A key that is a set of message numbers.
bool HasNumbers(const std::vector<TextToken>& tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].Is("UID")) {
      ++i;  // a set of UIDs is none
    } else if (!tokens[i].text.empty() &&
               tokens[i].text.find_first_not_of("0123456789:,*") == std::string::npos) {
      return true;
    }
  }
  return false;
}

// The flag that the search key at *at is about; empty: none. KEYWORD has an argument.
std::string FlagOfKey(const std::vector<TextToken>& tokens, size_t* at) {
  for (const char* flag : {"\\Answered", "\\Deleted", "\\Draft", "\\Flagged", "\\Seen"}) {
    if (tokens[*at].Is(Upper(flag + 1))) return flag;
  }
  if (tokens[*at].Is("UNSEEN")) return "\\Seen";
  if (tokens[*at].Is("KEYWORD") && *at + 1 < tokens.size()) return tokens[++*at].text;
  return {};
}

}  // namespace

std::optional<std::vector<bool>> ModelSession::Choose(const Tokens& tokens, size_t at) {
  std::vector<bool> chosen(view_.size(), true);
  const bool by_uid = uid_command_;
  for (; at < tokens.size(); ++at) {
    const TextToken& key = tokens[at];
    if (key.Is("ALL") || key.kind != TextToken::Kind::kAtom) continue;
    const bool negated = key.Is("NOT") && at + 1 < tokens.size();
    const TextToken& what = negated ? tokens[++at] : key;
    std::vector<bool> named(view_.size(), false);
    const bool unseen = what.Is("UNSEEN");
    const std::string flag = FlagOfKey(tokens, &at);
    if (!flag.empty()) {
      for (size_t i = 0; i < view_.size(); ++i) {
        named[i] = (view_[i].flags.count(flag) != 0) != unseen;
      }
    } else if (what.Is("ALL")) {
      named.assign(view_.size(), true);
    } else {
      const bool uids = what.Is("UID") && at + 1 < tokens.size();
      const std::string& set = uids ? tokens[++at].text : what.text;
      if (set.find_first_not_of("0123456789:,*") != std::string::npos) {
        Answer("BAD No such search key.");
        return std::nullopt;
      }
      bool valid = false;
      uid_command_ = uids;
      const std::vector<size_t> positions = Positions(set, &valid);
      uid_command_ = by_uid;
      if (!valid) {
        Answer("BAD No such message.");
        return std::nullopt;
      }
      for (size_t p : positions) named[p] = true;
    }
    for (size_t i = 0; i < view_.size(); ++i) chosen[i] = chosen[i] && named[i] != negated;
  }
  return chosen;
}

std::vector<uint32_t> ModelSession::Found(const std::vector<bool>& chosen) const {
  std::vector<uint32_t> found;
  for (size_t i = 0; i < view_.size(); ++i) {
    if (chosen[i]) found.push_back(uid_command_ ? view_[i].uid : static_cast<uint32_t>(i + 1));
  }
  return found;
}

void ModelSession::Search(const Tokens& tokens) {
  const bool expunges = uid_command_ && !HasNumbers(tokens);
  // Found before what is told ahead of it: the list may name what is gone, and lack what came.
  const double odds = store_.traits().overtaken_lists;
  const bool overtaken = expunges && odds > 0 && rng_.Chance(odds);
  if (!overtaken) EarlyNews(expunges);
  size_t at = 0;
  bool esearch = false;
  if (!tokens.empty() && tokens[0].Is("RETURN") && store_.traits().esearch) {
    esearch = true;
    while (at < tokens.size() && tokens[at].kind != TextToken::Kind::kClose) ++at;
    ++at;
  }
  const std::optional<std::vector<bool>> chosen = Choose(tokens, at);
  if (!chosen) return;
  const std::vector<uint32_t> found = Found(*chosen);
  std::string line;
  if (esearch) {
    line = "* ESEARCH (TAG \"" + tag_ + "\")" + (uid_command_ ? " UID" : "");
    if (!found.empty()) line += " ALL " + CompressSet(found);
  } else {
    line = "* SEARCH";
    for (uint32_t n : found) line += " " + std::to_string(n);
  }
  if (overtaken) {
    const size_t before = view_.size();
    Tell(false, expunges);
    store_.counts().overtaken_lists += view_.size() != before ? 1 : 0;
  }
  Say(line);
  Tell(false, expunges);
  AnswerDone();
}

// SORT (REVERSE ARRIVAL) UTF-8 keys: whatever the order asked for, it is that of RFC822.SIZE.
void ModelSession::Sort(const Tokens& tokens) {
  size_t at = 0;
  while (at < tokens.size() && tokens[at].kind != TextToken::Kind::kClose) ++at;
  const Tokens keys(tokens.begin() + static_cast<std::ptrdiff_t>(std::min(at + 2, tokens.size())),
                    tokens.end());
  const bool expunges = uid_command_ && !HasNumbers(keys);
  EarlyNews(expunges);
  const std::optional<std::vector<bool>> chosen = Choose(keys, 0);
  if (!chosen) return;
  std::vector<size_t> order;
  for (size_t i = 0; i < view_.size(); ++i) {
    if ((*chosen)[i]) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [this](size_t a, size_t b) { return view_[a].size < view_[b].size; });
  std::string line = "* SORT";
  for (size_t i : order) line += " " + std::to_string(uid_command_ ? view_[i].uid : i + 1);
  Say(line);
  Tell(false, expunges);
  AnswerDone();
}

// THREAD REFERENCES UTF-8 keys: each is a thread of its own, or of two.
void ModelSession::Thread(const Tokens& tokens) {
  const Tokens keys(
      tokens.begin() + static_cast<std::ptrdiff_t>(std::min<size_t>(2, tokens.size())),
      tokens.end());
  const bool expunges = uid_command_ && !HasNumbers(keys);
  EarlyNews(expunges);
  const std::optional<std::vector<bool>> chosen = Choose(keys, 0);
  if (!chosen) return;
  const std::vector<uint32_t> found = Found(*chosen);
  std::string line = "* THREAD";
  for (size_t i = 0; i < found.size(); ++i) {
    line += (i == 0 ? " (" : "(") + std::to_string(found[i]);
    if (i + 1 < found.size() && found[i] % 2 == 0) line += " " + std::to_string(found[++i]);
    line += ")";
  }
  Say(line);
  Tell(false, expunges);
  AnswerDone();
}

void ModelSession::Fetch(const Tokens& tokens) {
  if (tokens.size() < 2) return Answer("BAD Which messages?");
  std::set<std::string> items;
  uint64_t changed_since = 0;
  for (size_t i = 1; i < tokens.size(); ++i) {
    if (tokens[i].Is("CHANGEDSINCE") && i + 1 < tokens.size()) {
      changed_since = ToNumber(tokens[++i].text);
    } else if (tokens[i].kind == TextToken::Kind::kAtom) {
      items.insert(Upper(tokens[i].text));
    }
  }
  if (uid_command_) items.insert("UID");
  if (changed_since != 0 && mailbox_->traits().no_modseq) {
    return Answer("BAD There are no mod-sequences.");
  }
  if ((changed_since != 0 || items.count("MODSEQ") != 0) && store_.traits().condstore) {
    condstore_ = true;
    items.insert("MODSEQ");
  }
  EarlyNews(uid_command_);
  bool valid = false;
  const std::vector<size_t> positions = Positions(tokens[0].text, &valid);
  if (!valid) return Answer("BAD No such message.");
  for (size_t p : positions) {
    if (changed_since == 0 || view_[p].modseq > changed_since) FetchOne(p, items);
    if (dead()) return;
  }
  Tell(false, uid_command_);
  AnswerDone();
}

void ModelSession::FetchOne(size_t index, const std::set<std::string>& items) {
  Seen& seen = view_[index];
  const bool body = items.count("BODY[]") != 0 || items.count("BODY.PEEK[]") != 0;
  bool flags = items.count("FLAGS") != 0;
  if (items.count("BODY[]") != 0 && !read_only_ && seen.flags.count("\\Seen") == 0) {
    ModelFlags now = seen.flags;
    now.insert("\\Seen");
    CatchUp();
    if (const ModelMessage* m = mailbox_->Find(seen.uid)) {
      ModelFlags truth = m->flags;
      truth.insert("\\Seen");
      SetFlags(seen.uid, truth);
      reflagged_.erase(seen.uid);
      Refresh(&seen);
    } else {
      seen.flags = now;
    }
    flags = true;
  }
  bool news = false;
  for (const std::string& flag : seen.flags) {
    if (flags && flag.front() != '\\') news |= told_keywords_.insert(flag).second;
  }
  if (news) SayKeywords();
  std::string line = "* " + std::to_string(index + 1) + " FETCH (";
  auto item = [&line](const std::string& text) {
    if (line.back() != '(') line += ' ';
    line += text;
  };
  if (items.count("UID") != 0 || (flags && qresync_)) item("UID " + std::to_string(seen.uid));
  if (flags) item("FLAGS (" + FlagsOf(seen) + ")");
  const bool modseq_unasked = flags && store_.traits().modseq_unasked;
  if ((items.count("MODSEQ") != 0 || modseq_unasked) && tells_modseq()) {
    item("MODSEQ (" + std::to_string(seen.modseq) + ")");
  }
  if (items.count("RFC822.SIZE") != 0) item("RFC822.SIZE " + std::to_string(seen.size));
  if (body) {
    const std::string text =
        ModelBody(user_, mailbox_->name(), mailbox_->uid_validity(), seen.uid, seen.size);
    item("BODY[] {" + std::to_string(text.size()) + "}\r\n" + text);
  }
  if (!body || !store_.TakeHalfBody()) return Say(line + ")");
  ++store_.counts().half_bodies;
  store_.NoteTrouble(user_, SecondsToNs(60));
  Say(line.substr(0, line.size() / 2));  // its CRLF is one of the literal's
  Deselect();
  wire_.Close();
}

// STORE set +FLAGS (\Seen $uid17.18): a keyword that names UIDs is no flag but says which messages
// the client means.
void ModelSession::Store(const Tokens& tokens) {
  if (read_only_) return Answer("NO [READ-ONLY] Not to be changed.");
  size_t at = 1;
  uint64_t unchanged_since = kNever;
  if (tokens.size() > 4 && tokens[2].Is("UNCHANGEDSINCE")) {
    if (mailbox_->traits().no_modseq) return Answer("BAD There are no mod-sequences.");
    unchanged_since = ToNumber(tokens[3].text);
    at = 5;
    condstore_ = true;
  }
  if (tokens.size() < at + 2) return Answer("BAD Which flags?");
  const std::string action = Upper(tokens[at].text);
  ModelFlags flags;
  std::string meant;
  for (size_t i = at + 1; i < tokens.size(); ++i) {
    if (tokens[i].kind != TextToken::Kind::kAtom) continue;
    if (tokens[i].text.rfind("$uid", 0) == 0) {
      meant = tokens[i].text.substr(4);
    } else {
      flags.insert(tokens[i].text);
    }
  }
  CatchUp();
  EarlyNews(uid_command_);
  bool valid = false;
  const std::vector<size_t> positions = Positions(tokens[0].text, &valid);
  if (!valid) return Answer("BAD No such message.");
  if (!meant.empty()) {
    ++store_.counts().probes;
    std::set<uint32_t> named;
    for (size_t p : positions) named.insert(view_[p].uid);
    // What is gone for this session need not be named.
    std::replace(meant.begin(), meant.end(), '.', ',');
    std::set<uint32_t> there;
    for (uint32_t uid : ExpandSet(meant, 0xfffffff)) {
      if (FindSeen(uid) != nullptr) there.insert(uid);
    }
    if (named != there) {
      store_.Report(user_, "store " + std::to_string(number_),
                    "STORE " + tokens[0].text + " meant UIDs " + meant + " and named " +
                        CompressSet({named.begin(), named.end()}));
    }
  }
  const bool silent = action.find(".SILENT") != std::string::npos;
  std::vector<uint32_t> modified;
  for (size_t p : positions) {
    Seen& seen = view_[p];
    const ModelMessage* m = mailbox_->Find(seen.uid);
    if (m == nullptr) continue;  // expunged, which this session may not tell yet
    if (m->modseq > unchanged_since) {
      modified.push_back(uid_command_ ? seen.uid : static_cast<uint32_t>(p + 1));
      continue;
    }
    ModelFlags now = m->flags;
    if (action.front() == '+') {
      now.insert(flags.begin(), flags.end());
    } else if (action.front() == '-') {
      for (const std::string& flag : flags) now.erase(flag);
    } else {
      now = flags;
    }
    SetFlags(seen.uid, now);
    reflagged_.erase(seen.uid);
    Refresh(&seen);
    if (!silent) SayFetchFlags(p, true);
  }
  Tell(false, uid_command_);
  if (modified.empty()) return AnswerDone();
  AnswerDone("[MODIFIED " + CompressSet(modified) + "] ");
}

void ModelSession::CopyOrMove(const Tokens& tokens, bool move) {
  if (tokens.size() != 2) return Answer("BAD Where to?");
  if (move && read_only_) return Answer("NO [READ-ONLY] Not to be changed.");
  CatchUp();
  EarlyNews(false);
  bool valid = false;
  const std::vector<size_t> positions = Positions(tokens[0].text, &valid);
  const std::shared_ptr<ModelMailbox> to = store_.Find(user_, tokens[1].text);
  if (!valid) return Answer("BAD No such message.");
  if (to == nullptr) return Answer("NO [TRYCREATE] No such mailbox.");
  if (to->frozen()) return Answer("NO [OVERQUOTA] No room.");
  std::vector<uint32_t> moved, copies;
  for (size_t p : positions) {
    if (mailbox_->Find(view_[p].uid) == nullptr) continue;
    copies.push_back(to->uid_next());
    to->Deliver(mailbox_->Find(view_[p].uid)->flags, view_[p].size);
    moved.push_back(view_[p].uid);
  }
  CatchUp();  // perhaps they came here
  if (move) {
    for (uint32_t uid : moved) {
      ExpungeTruly(uid);
      expunges_.erase(uid);
    }
  }
  std::string code;
  if (store_.traits().uidplus && store_.traits().copyuid && !moved.empty()) {
    code = "[COPYUID " + std::to_string(to->uid_validity()) + " " + CompressSet(moved) + " " +
           CompressSet(copies) + "] ";
  }
  if (move) {
    if (!code.empty()) Say("* OK " + std::exchange(code, {}) + "Moved.");
    SayExpunged(moved);
  }
  Tell(false, true);
  AnswerDone(code);
}

void ModelSession::Expunge(const Tokens& tokens) {
  if (read_only_) return Answer("NO [READ-ONLY] Not to be changed.");
  bool valid = true;
  std::vector<size_t> positions(view_.size());
  for (size_t i = 0; i < positions.size(); ++i) positions[i] = i;
  if (uid_command_) {
    if (tokens.empty()) return Answer("BAD Which messages?");
    positions = Positions(tokens[0].text, &valid);
  }
  CatchUp();
  std::vector<uint32_t> gone;
  for (size_t p : positions) {
    const ModelMessage* m = mailbox_->Find(view_[p].uid);
    if (m != nullptr && m->flags.count("\\Deleted") != 0) gone.push_back(view_[p].uid);
  }
  for (uint32_t uid : gone) {
    ExpungeTruly(uid);
    expunges_.erase(uid);
  }
  EarlyNews(true);
  SayExpunged(gone);
  Tell(false, true);
  const bool withheld = !expunges_.empty() || !reflagged_.empty() || !arrivals_.empty();
  if (tells_modseq() && !withheld) {
    return Answer("OK [HIGHESTMODSEQ " + std::to_string(mailbox_->highest_modseq()) + "] Done.");
  }
  AnswerDone();
}

void ModelSession::Append(const Tokens& tokens) {
  if (tokens.size() < 2) return Answer("BAD What?");
  const std::shared_ptr<ModelMailbox> to = store_.Find(user_, tokens[0].text);
  if (to == nullptr) return Answer("NO [TRYCREATE] No such mailbox.");
  if (to->frozen()) return Answer("NO [OVERQUOTA] No room.");
  ModelFlags flags;
  for (size_t i = 1; i + 1 < tokens.size(); ++i) {
    if (tokens[i].kind == TextToken::Kind::kAtom) flags.insert(tokens[i].text);
  }
  const uint32_t uid = to->Deliver(flags, static_cast<uint32_t>(tokens.back().text.size()));
  // Its own it mostly tells at once.
  if (to == truth_) CatchUp();
  if (to == truth_ && rng_.Chance(0.7)) {
    for (Arrival& arrival : arrivals_) arrival.due_ns = 0;
  }
  Tell(false, true);
  if (!store_.traits().uidplus) return AnswerDone();
  AnswerDone("[APPENDUID " + std::to_string(to->uid_validity()) + " " + std::to_string(uid) + "] ");
}

void ModelSession::Status(const Tokens& tokens) {
  if (tokens.empty()) return Answer("BAD Which mailbox?");
  std::shared_ptr<ModelMailbox> of = store_.Find(user_, tokens[0].text);
  if (of == nullptr) return Answer("NO [NONEXISTENT] No such mailbox.");
  if (on_replica_) of = store_.ReplicaOf(of).copy();
  std::string modseq;
  for (const TextToken& item : tokens) {
    if (!item.Is("HIGHESTMODSEQ") || !store_.traits().condstore) continue;
    condstore_ = true;  // from now on
    modseq = " HIGHESTMODSEQ " + std::to_string(of->highest_modseq());
  }
  Say("* STATUS " + of->name() + " (MESSAGES " + std::to_string(of->messages().size()) +
      " UIDNEXT " + std::to_string(of->uid_next()) + " UIDVALIDITY " +
      std::to_string(of->uid_validity()) + modseq + ")");
  Tell(false, true);
  AnswerDone();
}

void ModelSession::List() {
  for (const std::string& name : store_.MailboxesOf(user_)) {
    Say("* LIST (\\HasNoChildren) \"/\" " + name);
  }
  Tell(false, true);
  AnswerDone();
}

}  // namespace roost
