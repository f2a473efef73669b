#include "core/store/session_state.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/base/heap_size.h"
#include "proto/imap/uid_set.h"
#include "proto/imap/writer.h"

namespace roost {
namespace {

uint64_t Number(std::string_view text) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : 0;
}

uint32_t Number32(std::string_view text) {
  uint64_t value = Number(text);
  return value <= UINT32_MAX ? static_cast<uint32_t>(value) : 0;
}

// Where UIDNEXT ends: the last UID is one less.
constexpr uint64_t kNoMoreUids = uint64_t{1} << 32;

uint64_t UidNext(std::string_view text) {
  const uint64_t value = Number(text);
  return value <= kNoMoreUids ? value : 0;
}

}  // namespace

void SessionState::Share(TextPool* pool) {
  if (selected_ == nullptr) return;
  pool->Share(&selected_->name);
  pool->Share(&selected_->flags);
  pool->Share(&selected_->permanent_flags);
}

void SessionState::Sent(SentCommand command) {
  if (command.kind == CommandKind::kNotify) notifies_ = true;
  in_flight_.push_back(std::move(command));
}

void SessionState::NoteCondstore(std::string_view tag) {
  if (!in_flight_.empty() && in_flight_.back().tag == tag) in_flight_.back().condstore = true;
}

SelectedMailbox* SessionState::Current() {
  if (!in_flight_.empty() && Selects(in_flight_.front().kind)) {
    if (!pending_) {
      pending_ = std::make_unique<SelectedMailbox>();
      pending_->name = in_flight_.front().mailbox;
      pending_->examine = in_flight_.front().kind == CommandKind::kExamine;
    }
    return &*pending_;
  }
  return selected_.get();
}

void SessionState::SeenCode(const Response& response) {
  if (response.code_name.empty()) return;
  if (response.CodeIs("CAPABILITY")) {
    capabilities_ = CapabilitySet::Parse(response.code_args);
    return;
  }
  if (response.CodeIs("CLOSED")) {  // from here on data is about the new mailbox (RFC 7162, 3.2.11)
    pending_.reset();
    return;
  }
  SelectedMailbox* m = Current();
  if (m == nullptr) return;
  if (response.CodeIs("UIDVALIDITY")) m->uid_validity = Number32(response.code_args);
  if (response.CodeIs("UIDNEXT")) m->uid_next = std::max(m->uid_next, UidNext(response.code_args));
  const bool selecting = pending_ && m == &*pending_;
  if (response.CodeIs("HIGHESTMODSEQ") && selecting) {
    m->highest_modseq = Number(response.code_args);
  }
  if (response.CodeIs("NOMODSEQ")) m->no_modseq = true;
  if (response.CodeIs("UIDNOTSTICKY")) m->uid_not_sticky = true;
  if (response.CodeIs("READ-ONLY")) m->read_only = true;
  if (response.CodeIs("READ-WRITE")) m->read_only = false;
  if (response.CodeIs("PERMANENTFLAGS")) m->permanent_flags = response.code_args;
  // CREATE is answered with one too: that of the new mailbox (RFC 8474, 4.1).
  if (response.CodeIs("MAILBOXID") && selecting) m->mailbox_id = response.code_args;
}

// A message that was shown by its UID is decided, also once it is gone again.
void SessionState::SeenFetch(const Response& response) {
  SelectedMailbox* m = Current();
  if (m == nullptr || m->uid_next == 0) return;
  const std::optional<uint32_t> uid = ParseFetch(response.rest).uid;
  if (uid) m->uid_next = std::max(m->uid_next, uint64_t{*uid} + 1);
}

std::optional<SentCommand> SessionState::Seen(const Response& response) {
  switch (response.kind) {
    case ResponseKind::kOk:
    case ResponseKind::kNo:
    case ResponseKind::kPreauth:
      SeenCode(response);
      break;
    case ResponseKind::kCapability:
      capabilities_ = CapabilitySet::Parse(response.rest);
      break;
    case ResponseKind::kEnabled:
      enabled_.AddAll(EnabledSet::Parse(response.rest));
      break;
    case ResponseKind::kFlags:
      if (SelectedMailbox* m = Current()) m->flags = response.rest;
      break;
    case ResponseKind::kExists:
      if (SelectedMailbox* m = Current()) {
        // During SELECT a last word of the mailbox before may come first.
        if (response.number < m->exists && !pending_) m->out_of_step = true;
        const bool grows = response.number > m->exists && !m->exists_doubtful;
        if (m == selected_.get() && m->uid_next != 0 && grows) {
          m->uid_next += std::min<uint64_t>(response.number - m->exists, kNoMoreUids - m->uid_next);
        }
        m->exists = response.number;
        m->exists_doubtful = false;
      }
      break;
    case ResponseKind::kExpunge:
      if (SelectedMailbox* m = Current()) {
        if (response.number == 0 || response.number > m->exists) {
          m->out_of_step = true;
        } else {
          --m->exists;
        }
      }
      break;
    case ResponseKind::kFetch:
      SeenFetch(response);
      break;
    case ResponseKind::kVanished:
      if (SelectedMailbox* m = Current(); m != nullptr && !response.earlier) {
        UidSet gone;
        if (ParseUidSet(response.rest, &gone) != SetParse::kOk || gone.size() > m->exists) {
          m->out_of_step = true;  // the list that follows will tell, or nothing will
        } else {
          m->exists -= gone.size();
          m->exists_doubtful = true;
        }
      }
      break;
    case ResponseKind::kTagged: {
      auto it = std::find_if(in_flight_.begin(), in_flight_.end(),
                             [&](const SentCommand& c) { return c.tag == response.tag; });
      if (it == in_flight_.end()) return std::nullopt;
      if (it == in_flight_.begin()) SeenCode(response);
      SeenTagged(*it, response);  // which may look for it in its place
      SentCommand ended = std::move(*it);
      in_flight_.erase(it);
      return ended;
    }
    default:
      break;
  }
  return std::nullopt;
}

void SessionState::SeenTagged(const SentCommand& command, const Response& response) {
  const bool ok = response.status == Status::kOk;
  if (Selects(command.kind)) {
    if (ok) {
      Current();  // also when the store said nothing about it
      selected_ = std::move(pending_);
      if (selected_) {
        selected_->uid_next_at_select =
            static_cast<uint32_t>(std::min<uint64_t>(selected_->uid_next, UidSet::kMaxUid));
      }
    } else {
      selected_.reset();
      if (response.status == Status::kBad) uncertain_ = true;
    }
    pending_.reset();
  } else if (command.kind == CommandKind::kClose || command.kind == CommandKind::kUnselect) {
    if (ok) selected_.reset();
  } else if (selected_) {
    selected_->answered_modseq = response.CodeIs("HIGHESTMODSEQ") ? Number(response.code_args) : 0;
  }
  if (!command.condstore) return;
  if (ok) {
    enabled_.Add(EnabledSet::kCondstore);
  } else if (capabilities_.Has("CONDSTORE") || capabilities_.Has("QRESYNC")) {
    condstore_refused_ = true;
  }
}

bool SessionState::CarriesName(std::string_view mailbox) const {
  const StringForm form = AstringFormOf(mailbox);
  if (form != StringForm::kLiteral) return form != StringForm::kImpossible;
  return capabilities_.Has("LITERAL+") || (capabilities_.Has("LITERAL-") && mailbox.size() <= 4096);
}

size_t SessionState::memory_bytes() const {
  size_t bytes = HeapSize(selected_) + HeapSize(pending_);
  // Nodes: the command, two links.
  for (const SentCommand& c : in_flight_) {
    bytes += sizeof c + 2 * sizeof(void*) + HeapSize(c.tag) + HeapSize(c.mailbox);
  }
  return bytes;
}

}  // namespace roost
