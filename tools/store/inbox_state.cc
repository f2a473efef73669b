#include "tools/store/inbox_state.h"

#include <algorithm>
#include <optional>
#include <set>

#include "tools/store/flags.h"
#include "tools/store/text.h"

namespace roost::embedded {
namespace {

std::vector<std::string_view> WordsOf(std::string_view line) {
  std::vector<std::string_view> words;
  line = line.substr(0, line.find('#'));
  while (!(line = Trim(line)).empty()) {
    const size_t end = std::min(line.find_first_of(" \t"), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
  return words;
}

// Empty: it is right.
std::string ParseInbox(const std::vector<std::string_view>& words, InboxState* inbox) {
  if (words.size() != 5) return "inbox wants USER UIDVALIDITY UIDNEXT HIGHESTMODSEQ";
  const std::optional<uint64_t> uid_validity = ParseDigits(words[2], UINT32_MAX);
  const std::optional<uint64_t> uid_next = ParseDigits(words[3], UINT32_MAX);
  const std::optional<uint64_t> modseq = ParseDigits(words[4], INT64_MAX);
  if (!uid_validity || !uid_next || !modseq || *uid_validity * *uid_next * *modseq == 0) {
    return "UIDVALIDITY, UIDNEXT and HIGHESTMODSEQ are numbers above 0";
  }
  inbox->user = words[1];
  inbox->uid_validity = static_cast<uint32_t>(*uid_validity);
  inbox->uid_next = static_cast<Uid>(*uid_next);
  inbox->highest_modseq = *modseq;
  return {};
}

std::string ParseEntry(const std::vector<std::string_view>& words, InboxState* inbox) {
  const std::optional<uint64_t> uid = ParseDigits(words[0], UINT32_MAX);
  const std::optional<uint64_t> modseq =
      words.size() < 2 ? std::nullopt : ParseDigits(words[1], INT64_MAX);
  if (!uid || !modseq || *uid == 0 || *modseq == 0) {
    return "a message is UID MODSEQ and flags, numbers above 0";
  }
  if (!inbox->messages.empty() && *uid <= inbox->messages.back().uid) return "UIDs must grow";
  if (*uid >= inbox->uid_next) return "the UID is not below UIDNEXT";
  if (*modseq > inbox->highest_modseq) return "the MODSEQ is above HIGHESTMODSEQ";
  InboxState::Entry entry{static_cast<Uid>(*uid), *modseq, {}};
  for (size_t i = 2; i < words.size(); ++i) {
    if (words[i].front() == '\\' && SystemFlagOf(words[i]) == 0) {
      return std::string(words[i]) + " is no flag that can be stored";
    }
    entry.flags.emplace_back(words[i]);
  }
  inbox->messages.push_back(std::move(entry));
  return {};
}

}  // namespace

bool ParseInboxes(std::string_view text, std::vector<InboxState>* out, std::string* error) {
  const size_t before = out->size();
  std::set<std::string, std::less<>> users;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::vector<std::string_view> words = WordsOf(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (words.empty()) continue;
    std::string wrong;
    if (words[0] == "inbox") {
      wrong = ParseInbox(words, &out->emplace_back());
      if (wrong.empty() && !users.insert(out->back().user).second)
        wrong = "this user is named twice";
    } else if (out->size() == before) {
      wrong = "begin with inbox USER UIDVALIDITY UIDNEXT HIGHESTMODSEQ";
    } else {
      wrong = ParseEntry(words, &out->back());
    }
    if (wrong.empty()) continue;
    *error = "line " + std::to_string(number) + ": " + wrong;
    return false;
  }
  return true;
}

}  // namespace roost::embedded
