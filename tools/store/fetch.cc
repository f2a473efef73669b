// FETCH and UID FETCH.
#include <algorithm>

#include "proto/imap/writer.h"
#include "tools/store/fetch_job.h"
#include "tools/store/mail_date.h"
#include "tools/store/session.h"
#include "tools/store/text.h"

namespace roost::embedded {
namespace {

using Kind = FetchItem::Kind;

// "<0.100>" behind a section.
bool ReadPartial(std::string_view text, FetchItem* item) {
  if (text.empty()) return true;
  const size_t dot = text.find('.');
  if (!text.starts_with('<') || !text.ends_with('>') || dot == std::string_view::npos) return false;
  const auto offset = ParseDigits(text.substr(1, dot - 1), UINT32_MAX);
  const auto length = ParseDigits(text.substr(dot + 1, text.size() - dot - 2), UINT32_MAX);
  if (!offset || !length || *length == 0) return false;
  item->partial.emplace(static_cast<uint32_t>(*offset), static_cast<uint32_t>(*length));
  return true;
}

bool ReadSection(std::string_view word, FetchItem* item) {
  const size_t open = word.find('[');
  const size_t close = word.rfind(']');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    return false;
  }
  const bool peek = EqualsIgnoreCase(word.substr(0, open), "BODY.PEEK");
  if (!peek && !EqualsIgnoreCase(word.substr(0, open), "BODY")) return false;
  const std::string_view section = word.substr(open + 1, close - open - 1);
  if (!Section::Parse(section, &item->section) || !ReadPartial(word.substr(close + 1), item)) {
    return false;
  }
  item->kind = Kind::kSection;
  item->sets_seen = !peek;
  item->name = "BODY[" + std::string(section) + "]";
  if (item->partial) item->name += "<" + std::to_string(item->partial->first) + ">";
  return true;
}

struct SimpleItem {
  std::string_view name;
  Kind kind;
};
constexpr SimpleItem kSimpleItems[] = {
    {"UID", Kind::kUid},          {"FLAGS", Kind::kFlags},
    {"RFC822.SIZE", Kind::kSize}, {"INTERNALDATE", Kind::kInternalDate},
    {"MODSEQ", Kind::kModSeq},    {"ENVELOPE", Kind::kEnvelope},
    {"BODY", Kind::kBody},        {"BODYSTRUCTURE", Kind::kBodyStructure},
};

struct OldItem {
  std::string_view name;
  Section::Text text;
  bool sets_seen;
};
constexpr OldItem kOldItems[] = {
    {"RFC822", Section::Text::kAll, true},
    {"RFC822.HEADER", Section::Text::kHeader, false},
    {"RFC822.TEXT", Section::Text::kText, true},
};

bool AddItem(std::string_view word, FetchItems* wanted) {
  FetchItem item;
  bool found = false;
  for (const SimpleItem& simple : kSimpleItems) {
    if (!EqualsIgnoreCase(word, simple.name)) continue;
    item.kind = simple.kind;
    found = true;
  }
  for (const OldItem& old : kOldItems) {
    if (!EqualsIgnoreCase(word, old.name)) continue;
    item.kind = Kind::kSection;
    item.name = old.name;
    item.section.text = old.text;
    item.sets_seen = old.sets_seen;
    found = true;
  }
  if (!found && !ReadSection(word, &item)) return false;
  wanted->has_flags |= item.kind == Kind::kFlags;
  wanted->has_modseq |= item.kind == Kind::kModSeq;
  wanted->sets_seen |= item.sets_seen;
  // The UID is told once, first, whether it was asked for or comes with the UID form.
  if (item.kind == Kind::kUid) {
    wanted->uid = true;
    return true;
  }
  wanted->items.push_back(std::move(item));
  return true;
}

bool AddMacro(std::string_view word, FetchItems* wanted) {
  struct Macro {
    std::string_view name;
    std::vector<std::string_view> items;
  };
  static const Macro kMacros[] = {
      {"ALL", {"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"}},
      {"FAST", {"FLAGS", "INTERNALDATE", "RFC822.SIZE"}},
      {"FULL", {"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"}},
  };
  for (const Macro& macro : kMacros) {
    if (!EqualsIgnoreCase(word, macro.name)) continue;
    for (std::string_view item : macro.items) AddItem(item, wanted);
    return true;
  }
  return false;
}

struct Modifiers {
  std::optional<uint64_t> changed_since;
  bool vanished = false;
};

// " (CHANGEDSINCE 5 VANISHED)"
bool ReadModifiers(TokenCursor* cursor, Modifiers* modifiers) {
  if (!cursor->Space()) return true;
  if (!cursor->Char('(')) return false;
  do {
    uint64_t modseq = 0;
    if (cursor->Keyword("CHANGEDSINCE")) {
      if (!cursor->Space() || !cursor->Number64(&modseq)) return false;
      modifiers->changed_since = modseq;
    } else if (cursor->Keyword("VANISHED")) {
      modifiers->vanished = true;
    } else {
      return false;
    }
  } while (cursor->Space());
  return cursor->Char(')');
}

void AppendSection(std::string* out, const FetchItem& item, std::string_view message) {
  std::string scratch;
  const std::optional<std::string_view> content = ExtractSection(message, item.section, &scratch);
  out->append(item.name).append(" ");
  if (!content) {
    out->append("NIL");
    return;
  }
  std::string_view part = *content;
  if (item.partial) {
    part = part.substr(std::min<size_t>(item.partial->first, part.size()), item.partial->second);
  }
  AppendLiteral(out, part, LiteralStyle::kSync);
}

}  // namespace

bool ReadFetchItems(TokenCursor* cursor, FetchItems* out) {
  std::string_view word;
  if (!cursor->Char('(')) {
    return cursor->FetchItem(&word) && (AddMacro(word, out) || AddItem(word, out));
  }
  do {
    if (!cursor->FetchItem(&word) || !AddItem(word, out)) return false;
  } while (cursor->Space());
  return cursor->Char(')');
}

void Session::Fetch(const Command& command) {
  TokenCursor cursor(command.args);
  auto job = std::make_unique<FetchJob>();
  job->uid = command.uid;
  std::string_view set_text;
  SequenceSet set;
  Modifiers modifiers;
  if (!cursor.SequenceSet(&set_text) || !SequenceSet::Parse(set_text, &set) || !cursor.Space() ||
      !ReadFetchItems(&cursor, job.get()) || !ReadModifiers(&cursor, &modifiers) ||
      !cursor.AtEnd()) {
    return Bad("FETCH wants messages and items");
  }
  const bool wants_modseq = job->has_modseq || modifiers.changed_since.has_value();
  if (wants_modseq && !options_->features.Has(Feature::kCondstore)) {
    return Bad("CONDSTORE is not offered");
  }
  // VANISHED belongs to UID FETCH with CHANGEDSINCE (RFC 7162, 3.2.6).
  if (modifiers.vanished && (!qresync_ || !command.uid || !modifiers.changed_since)) {
    return Bad("VANISHED needs UID FETCH, CHANGEDSINCE and QRESYNC");
  }
  if (wants_modseq) EnableCondstore();
  if (modifiers.vanished) {
    Tell(Tells::kEverything);
    SendVanishedSince(set, *modifiers.changed_since);
  }
  if (!ResolveNumbers(set, command.uid, &job->numbers)) return;
  if (modifiers.changed_since) {
    std::erase_if(job->numbers, [&](uint32_t number) {
      const Message* message = mailbox_->Find(UidAt(number));
      return message == nullptr || message->modseq <= *modifiers.changed_since;
    });
    if (!job->has_modseq) {
      job->items.push_back({.kind = Kind::kModSeq, .name = {}, .section = {}, .partial = {}});
      job->has_modseq = true;
    }
  }
  job_ = std::move(job);
  GoOnFetching();
}

void Session::SendVanishedSince(const SequenceSet& uids, ModSeq since) {
  SequenceSet asked = uids;
  asked.Resolve(mailbox_->uid_next() - 1);
  std::vector<Uid> vanished = mailbox_->VanishedSince(since);
  std::erase_if(vanished, [&](Uid uid) { return !asked.Contains(uid); });
  if (!vanished.empty()) Out("* VANISHED (EARLIER) " + FormatSet(vanished) + "\r\n");
}

void Session::GoOnFetching() {
  while (job_->next < job_->numbers.size()) {
    if (host_->Unsent() > kOutputHighWater) return;
    FetchOne(job_.get(), job_->numbers[job_->next++]);
  }
  const bool missed = job_->missed;
  const bool by_uid = tells_ == Tells::kEverything;
  job_.reset();
  if (missed && !by_uid) {
    No("[EXPUNGEISSUED] Some of them are gone");
  } else {
    Ok("Fetched");
  }
}

void Session::FetchOne(FetchJob* job, uint32_t number) {
  const Message* message = mailbox_->Find(UidAt(number));
  if (message == nullptr) {
    job->missed = true;
    return;
  }
  bool add_flags = false;
  if (job->sets_seen && !read_only_ && (message->flags.system & kSeen) == 0) {
    Flags flags = message->flags;
    flags.system |= kSeen;
    mailbox_->SetFlags(message->uid, flags);
    NoteOwnChange(*message);
    add_flags = !job->has_flags;
  }
  TellKeywords();  // others may have used new ones since
  std::string out;
  const bool modseq = add_flags && condstore_ && !job->has_modseq;
  AppendFetch(&out, number, *message, *job,
              {.uid = job->uid || (add_flags && condstore_), .flags = add_flags, .modseq = modseq});
  Out(out);
}

void Session::AppendFetch(std::string* out, uint32_t number, const Message& message,
                          const FetchItems& wanted, FetchUnasked unasked) {
  out->append("* ").append(std::to_string(number)).append(" FETCH (");
  const size_t empty = out->size();
  auto item = [&](std::string_view name) -> std::string& {
    if (out->size() > empty) out->push_back(' ');
    return out->append(name);
  };
  if (unasked.uid) item("UID ").append(std::to_string(message.uid));
  if (unasked.flags) AppendFlagList(&item("FLAGS "), message);
  if (unasked.modseq) item("MODSEQ (").append(std::to_string(message.modseq)).append(")");
  for (const FetchItem& one : wanted.items) {
    switch (one.kind) {
      case Kind::kUid:
        break;
      case Kind::kFlags:
        AppendFlagList(&item("FLAGS "), message);
        break;
      case Kind::kInternalDate:
        item("INTERNALDATE \"").append(FormatDateTime(message.internal_date)).append("\"");
        break;
      case Kind::kSize:
        item("RFC822.SIZE ").append(std::to_string(message.body->size()));
        break;
      case Kind::kModSeq:
        item("MODSEQ (").append(std::to_string(message.modseq)).append(")");
        break;
      case Kind::kEnvelope:
        AppendEnvelope(&item("ENVELOPE "), HeaderOf(*message.body));
        break;
      case Kind::kBody:
        AppendBodyStructure(&item("BODY "), ParseMessage(*message.body), false);
        break;
      case Kind::kBodyStructure:
        AppendBodyStructure(&item("BODYSTRUCTURE "), ParseMessage(*message.body), true);
        break;
      case Kind::kSection:
        AppendSection(&item(""), one, *message.body);
        break;
    }
  }
  out->append(")\r\n");
}

}  // namespace roost::embedded
