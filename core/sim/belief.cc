#include "core/sim/belief.h"

#include <algorithm>
#include <utility>

namespace roost {

void Belief::Clear() { *this = Belief(); }

void Belief::BeginSelect(std::string name, bool by_examine) {
  Clear();
  mailbox = std::move(name);
  examine = by_examine;
  selecting = true;
}

uint32_t Belief::unknown_uids() const {
  return static_cast<uint32_t>(
      std::count_if(entries.begin(), entries.end(), [](const Entry& e) { return e.uid == 0; }));
}

bool Belief::Has(uint32_t uid) const {
  return std::any_of(entries.begin(), entries.end(),
                     [uid](const Entry& e) { return e.uid == uid; });
}

uint32_t Belief::last_uid() const {
  for (auto it = entries.rbegin(); it != entries.rend(); ++it) {
    if (it->uid != 0) return it->uid;
  }
  return 0;
}

std::string Belief::Exists(uint32_t n) {
  if (n < entries.size() && !selecting) {
    return "EXISTS shrinks from " + std::to_string(entries.size()) + " to " + std::to_string(n);
  }
  if (n == entries.size() && !selecting) return "EXISTS twice: " + std::to_string(n);
  entries.resize(n);
  return {};
}

std::string Belief::Expunge(uint32_t n) {
  if (n == 0 || n > entries.size()) {
    return std::to_string(n) + " EXPUNGE of " + std::to_string(entries.size()) + " messages";
  }
  if (entries[n - 1].uid != 0) gone_.insert(entries[n - 1].uid);
  entries.erase(entries.begin() + (n - 1));
  return {};
}

std::string Belief::Vanished(std::string_view set) {
  for (uint32_t uid : ExpandSet(set, 0xfffffff)) {
    size_t below = 0;  // entries that surely have a lower UID
    size_t i = 0;
    for (; i < entries.size(); ++i) {
      if (entries[i].uid == uid) break;
      if (entries[i].uid > uid) break;
      if (entries[i].uid != 0) below = i + 1;
    }
    if (i < entries.size() && entries[i].uid == uid) {
      entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(i));
    } else if (below < i) {
      // One of those whose UID is not learned; which of them makes no difference.
      entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(below));
    } else {
      return "VANISHED " + std::to_string(uid) + ", which was never told of";
    }
    gone_.insert(uid);
  }
  return {};
}

std::string Belief::LearnUid(uint32_t n, uint32_t uid) {
  Entry& entry = entries[n - 1];
  const std::string what = "message " + std::to_string(n) + " has UID " + std::to_string(uid);
  if (entry.uid != 0) return entry.uid == uid ? "" : what + ", not " + std::to_string(entry.uid);
  if (gone_.count(uid) != 0) return what + ", which was told to be gone";
  uint32_t unknown = 1;
  for (size_t i = n - 1; i-- > 0; ++unknown) {
    if (entries[i].uid == 0) continue;
    if (entries[i].uid + unknown > uid) return what + " behind " + std::to_string(entries[i].uid);
    break;
  }
  for (size_t i = n; i < entries.size(); ++i) {
    if (entries[i].uid == 0) continue;
    if (entries[i].uid <= uid) return what + " before " + std::to_string(entries[i].uid);
    break;
  }
  entry.uid = uid;
  return {};
}

std::string Belief::Fetch(uint32_t n, const std::vector<TextToken>& tokens, Fetched* fetched) {
  fetched->number = n;
  if (n == 0 || n > entries.size()) {
    return std::to_string(n) + " FETCH of " + std::to_string(entries.size()) + " messages";
  }
  std::string wrong;
  for (size_t i = 1; i + 1 < tokens.size(); ++i) {
    if (tokens[i].Is("UID")) {
      fetched->uid = true;
      wrong = LearnUid(n, static_cast<uint32_t>(ToNumber(tokens[++i].text)));
      if (!wrong.empty()) return wrong;
    } else if (tokens[i].Is("FLAGS")) {
      fetched->flags = true;
      ModelFlags flags;
      for (i += 2; i < tokens.size() && tokens[i].kind != TextToken::Kind::kClose; ++i) {
        if (tokens[i].text.front() != '\\' && keywords.count(tokens[i].text) == 0) {
          wrong = "keyword " + tokens[i].text + ", which FLAGS has not named";
        }
        if (tokens[i].Is("\\Recent")) {
          fetched->recent = true;
        } else {
          flags.insert(tokens[i].text);
        }
      }
      entries[n - 1].flags = std::move(flags);
    } else if (tokens[i].Is("MODSEQ")) {
      if (i + 2 < tokens.size()) fetched->modseq = ToNumber(tokens[i + 2].text);
      i += 3;
    } else if (tokens[i].Is("BODY[]")) {
      fetched->body = tokens[++i].text;
    } else {
      ++i;  // name and value of another
    }
  }
  return wrong;
}

std::string Belief::Listed(const std::vector<uint32_t>& uids) {
  if (uids.size() != entries.size()) {
    return "a list of " + std::to_string(uids.size()) + " UIDs for " +
           std::to_string(entries.size()) + " messages";
  }
  for (size_t i = 0; i < uids.size(); ++i) {
    std::string wrong = LearnUid(static_cast<uint32_t>(i + 1), uids[i]);
    if (!wrong.empty()) return wrong;
  }
  return {};
}

void Belief::Keywords(const std::vector<TextToken>& tokens) {
  keywords.clear();
  for (const TextToken& token : tokens) {
    if (token.kind == TextToken::Kind::kAtom && token.text.front() != '\\')
      keywords.insert(token.text);
  }
}

void Belief::Code(std::string_view code) {
  if (code.substr(0, 13) == "[UIDVALIDITY ") {
    uid_validity = static_cast<uint32_t>(ToNumber(code.substr(13)));
  }
  if (code.substr(0, 16) == "[PERMANENTFLAGS ") nothing_permanent = code == "[PERMANENTFLAGS ()]";
  if (code == "[READ-ONLY]") read_only = true;
  if (code == "[READ-WRITE]") read_only = false;
  if (code == "[NOMODSEQ]") no_modseq = true;
  if (code == "[UIDNOTSTICKY]") uid_not_sticky = true;
}

std::string Belief::CheckPermanentFlags() const {
  if (mailbox.empty() || selecting || nothing_permanent != may_write()) return {};
  return std::string(nothing_permanent ? "no" : "some") + " PERMANENTFLAGS of what is " +
         (may_write() ? "read-write"
          : examine   ? "opened by EXAMINE"
                      : "read-only");
}

std::vector<uint32_t> Belief::UidsOf(const std::vector<uint32_t>& numbers) const {
  std::vector<uint32_t> uids;
  for (uint32_t n : numbers) {
    if (n > entries.size() || entries[n - 1].uid == 0) return {};
    uids.push_back(entries[n - 1].uid);
  }
  return uids;
}

std::string Belief::CheckBody(const std::string& user, uint32_t n, std::string_view body) const {
  const Entry& entry = entries[n - 1];
  const std::string head = ModelBody(user, mailbox, uid_validity, entry.uid, 0);
  if (entry.uid != 0 && body.substr(0, head.size()) == head) return {};
  const size_t uid_at = head.rfind(" uid=");
  if (entry.uid == 0 && body.substr(0, uid_at) == head.substr(0, uid_at)) return {};
  return "the body of message " + std::to_string(n) + " is not that of " +
         head.substr(0, head.size() - 2) + " but of " + std::string(body.substr(0, head.size()));
}

std::string Belief::CompareWith(const ModelMailbox& truth) const {
  if (truth.uid_validity() != uid_validity) {
    return "believes in UIDVALIDITY " + std::to_string(uid_validity) + "; it is " +
           std::to_string(truth.uid_validity());
  }
  const std::vector<ModelMessage>& messages = truth.messages();
  if (messages.size() != entries.size()) {
    return "believes in " + std::to_string(entries.size()) + " messages; there are " +
           std::to_string(messages.size());
  }
  for (size_t i = 0; i < entries.size(); ++i) {
    const std::string which = "message " + std::to_string(i + 1) + " ";
    if (entries[i].uid != 0 && entries[i].uid != messages[i].uid) {
      return "believes that " + which + "has UID " + std::to_string(entries[i].uid) + "; it has " +
             std::to_string(messages[i].uid);
    }
    if (entries[i].flags && *entries[i].flags != messages[i].flags) {
      return "believes that " + which + "(UID " + std::to_string(messages[i].uid) +
             ") has flags (" + FlagText(*entries[i].flags) + "); it has (" +
             FlagText(messages[i].flags) + ")";
    }
  }
  return {};
}

}  // namespace roost
