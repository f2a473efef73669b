#include "tools/store/mailbox.h"

#include <algorithm>

#include "proto/check.h"
#include "proto/imap/tokens.h"

namespace roost::embedded {

Mailbox::Mailbox(uint32_t uid_validity, DirtyList* dirty)
    : uid_validity_(uid_validity), dirty_(dirty), view_(std::make_shared<View>()) {}

size_t Mailbox::LowerBound(Uid uid) const {
  auto it = std::lower_bound(messages_.begin(), messages_.end(), uid,
                             [](const Message& message, Uid value) { return message.uid < value; });
  return static_cast<size_t>(it - messages_.begin());
}

size_t Mailbox::CountUnseen() const {
  return static_cast<size_t>(
      std::count_if(messages_.begin(), messages_.end(),
                    [](const Message& message) { return (message.flags.system & kSeen) == 0; }));
}

const Message* Mailbox::Find(Uid uid) const {
  const size_t index = LowerBound(uid);
  if (index == messages_.size() || messages_[index].uid != uid) return nullptr;
  return &messages_[index];
}

std::optional<size_t> Mailbox::Keyword(std::string_view name, bool add) {
  for (size_t i = 0; i < keywords_.size(); ++i) {
    if (EqualsIgnoreCase(keywords_[i], name)) return i;
  }
  if (!add || keywords_.size() == kMaxKeywords) return std::nullopt;
  keywords_.emplace_back(name);
  return keywords_.size() - 1;
}

View* Mailbox::MutableView() {
  if (view_.use_count() > 1) view_ = std::make_shared<View>(*view_);
  return view_.get();
}

Uid Mailbox::Append(Body body, Flags flags, int64_t internal_date) {
  const Uid uid = uid_next_++;
  messages_.push_back({.uid = uid,
                       .flags = flags,
                       .modseq = ++highest_modseq_,
                       .internal_date = internal_date,
                       .body = std::move(body)});
  MutableView()->push_back(uid);
  Changed();
  return uid;
}

void Mailbox::Restore(std::vector<Message> messages, Uid uid_next, ModSeq highest_modseq) {
  ROOST_CHECK(uid_next_ == 1 && watchers_.empty());
  uid_next_ = first_recent_ = uid_next;
  highest_modseq_ = flags_changed_at_ = highest_modseq;
  vanished_complete_from_ =
      highest_modseq;  // of those before only that they are not there is known
  messages_ = std::move(messages);
  for (const Message& message : messages_) MutableView()->push_back(message.uid);
  CheckInvariants();
}

bool Mailbox::SetFlags(Uid uid, Flags flags) {
  const size_t index = LowerBound(uid);
  if (index == messages_.size() || messages_[index].uid != uid) return false;
  Message& message = messages_[index];
  if (message.flags == flags) return false;
  message.flags = flags;
  message.modseq = flags_changed_at_ = ++highest_modseq_;
  Changed();
  return true;
}

size_t Mailbox::Expunge(std::span<const Uid> uids) {
  const ModSeq modseq = highest_modseq_ + 1;
  size_t gone = 0;
  auto listed = [uids](Uid uid) { return std::binary_search(uids.begin(), uids.end(), uid); };
  for (const Message& message : messages_) {
    if (!listed(message.uid)) continue;
    vanished_.push_back({modseq, message.uid});
    ++gone;
  }
  if (gone == 0) return 0;
  std::erase_if(messages_, [&](const Message& message) { return listed(message.uid); });
  std::erase_if(*MutableView(), listed);
  highest_modseq_ = modseq;
  if (vanished_.size() > kMaxVanished) {
    // Forget the older half. Expunges of one modseq are forgotten together.
    size_t keep = vanished_.size() - kMaxVanished / 2;
    vanished_complete_from_ = vanished_[keep - 1].modseq;
    while (keep < vanished_.size() && vanished_[keep].modseq == vanished_complete_from_) ++keep;
    vanished_.erase(vanished_.begin(), vanished_.begin() + static_cast<ptrdiff_t>(keep));
  }
  Changed();
  return gone;
}

std::vector<Uid> Mailbox::VanishedSince(ModSeq since) const {
  std::vector<Uid> result;
  if (since < vanished_complete_from_) {
    auto next = view_->begin();
    for (Uid uid = 1; uid < uid_next_; ++uid) {
      if (next != view_->end() && *next == uid) {
        ++next;
      } else {
        result.push_back(uid);
      }
    }
    return result;
  }
  auto first = std::upper_bound(vanished_.begin(), vanished_.end(), since,
                                [](ModSeq value, const Vanished& v) { return value < v.modseq; });
  for (; first != vanished_.end(); ++first) result.push_back(first->uid);
  std::sort(result.begin(), result.end());
  return result;
}

std::optional<ModSeq> Mailbox::FirstExpungeAfter(ModSeq since) const {
  if (since < vanished_complete_from_) return since + 1;
  auto first = std::upper_bound(vanished_.begin(), vanished_.end(), since,
                                [](ModSeq value, const Vanished& v) { return value < v.modseq; });
  if (first == vanished_.end()) return std::nullopt;
  return first->modseq;
}

void Mailbox::AddWatcher(MailboxWatcher* watcher) {
  watcher->watcher_index_ = static_cast<uint32_t>(watchers_.size());
  watchers_.push_back(watcher);
}

void Mailbox::RemoveWatcher(MailboxWatcher* watcher) {
  const uint32_t index = watcher->watcher_index_;
  ROOST_CHECK(index < watchers_.size() && watchers_[index] == watcher);
  watchers_[index] = watchers_.back();
  watchers_[index]->watcher_index_ = index;
  watchers_.pop_back();
  if (watchers_.empty()) watchers_.shrink_to_fit();
}

void Mailbox::NotifyWatchers() {
  dirty_listed_ = false;
  // A watcher may leave while it is told (its output overflows), so the list is walked from the
  // end.
  for (size_t i = watchers_.size(); i > 0; --i) {
    if (i <= watchers_.size()) watchers_[i - 1]->OnMailboxChanged();
  }
}

void Mailbox::NotifyDeleted() {
  const std::vector<MailboxWatcher*> all = watchers_;
  for (MailboxWatcher* watcher : all) watcher->OnMailboxDeleted();
}

void Mailbox::Changed() {
  if (dirty_listed_ || watchers_.empty()) return;
  dirty_listed_ = true;
  dirty_->Add(weak_from_this());
}

void Mailbox::CheckInvariants() const {
  ROOST_CHECK(view_->size() == messages_.size());
  Uid previous = 0;
  for (size_t i = 0; i < messages_.size(); ++i) {
    ROOST_CHECK(messages_[i].uid > previous && messages_[i].uid < uid_next_);
    ROOST_CHECK((*view_)[i] == messages_[i].uid);
    ROOST_CHECK(messages_[i].modseq <= highest_modseq_);
    previous = messages_[i].uid;
  }
}

}  // namespace roost::embedded
