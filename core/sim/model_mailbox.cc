#include "core/sim/model_mailbox.h"

#include <algorithm>

#include "core/base/clock.h"

namespace roost {

ModelMailbox::ModelMailbox(std::string user, std::string name, uint32_t uid_validity,
                           uint32_t uid_next, const Traits& traits)
    : user_(std::move(user)),
      name_(std::move(name)),
      uid_validity_(uid_validity),
      traits_(traits),
      uid_next_(uid_next) {}

std::shared_ptr<ModelMailbox> ModelMailbox::AsBefore(uint64_t modseq) const {
  if (highest_modseq_ <= modseq) return nullptr;
  auto then = std::make_shared<ModelMailbox>(user_, name_, uid_validity_, 1, traits_);
  for (const ModelMessage& message : messages_) {
    // What was changed since is as if it had not been there: a backup is no exact thing either.
    if (message.modseq > modseq) continue;
    then->messages_.push_back(message);
    then->uid_next_ = message.uid + 1;
    then->highest_modseq_ = std::max(then->highest_modseq_, message.modseq);
  }
  if (then->uid_next_ >= uid_next_ || then->highest_modseq_ >= highest_modseq_) return nullptr;
  then->keywords_ = keywords_;
  return then;
}

std::shared_ptr<ModelMailbox> ModelMailbox::Copy() const {
  auto copy = std::make_shared<ModelMailbox>(*this);
  copy->observers_.clear();
  return copy;
}

ModelMessage* ModelMailbox::FindMutable(uint32_t uid) {
  auto it = std::lower_bound(messages_.begin(), messages_.end(), uid,
                             [](const ModelMessage& m, uint32_t u) { return m.uid < u; });
  return it != messages_.end() && it->uid == uid ? &*it : nullptr;
}

const ModelMessage* ModelMailbox::Find(uint32_t uid) const {
  return const_cast<ModelMailbox*>(this)->FindMutable(uid);
}

void ModelMailbox::LearnKeywords(const ModelFlags& flags) {
  for (const std::string& flag : flags) {
    if (flag.front() != '\\') keywords_.insert(flag);
  }
}

uint32_t ModelMailbox::Deliver(ModelFlags flags, uint32_t size) {
  ModelMessage message;
  message.uid = uid_next_++;
  message.modseq = ++highest_modseq_;
  message.size = size;
  LearnKeywords(flags);
  message.flags = std::move(flags);
  messages_.push_back(message);
  for (MailboxObserver* observer : std::vector(observers_)) observer->OnArrived(message.uid);
  return message.uid;
}

bool ModelMailbox::Expunge(uint32_t uid) {
  if (Find(uid) == nullptr) return false;
  std::erase_if(messages_, [uid](const ModelMessage& m) { return m.uid == uid; });
  expunged_.emplace_back(++highest_modseq_, uid);
  for (MailboxObserver* observer : std::vector(observers_)) observer->OnExpunged(uid);
  return true;
}

bool ModelMailbox::SetFlags(uint32_t uid, ModelFlags flags) {
  ModelMessage* message = FindMutable(uid);
  if (message == nullptr || message->flags == flags) return false;
  LearnKeywords(flags);
  message->flags = std::move(flags);
  message->modseq = ++highest_modseq_;
  for (MailboxObserver* observer : std::vector(observers_)) observer->OnReflagged(uid);
  return true;
}

MailboxChange ModelMailbox::ChangeOf(MailboxChange::Kind kind, uint32_t uid) const {
  MailboxChange change{kind, {}, highest_modseq_};
  change.message.uid = uid;
  if (const ModelMessage* message = Find(uid)) change.message = *message;
  return change;
}

void ModelMailbox::Apply(const MailboxChange& change) {
  const uint32_t uid = change.message.uid;
  highest_modseq_ = std::max(highest_modseq_, change.modseq);
  LearnKeywords(change.message.flags);
  switch (change.kind) {
    case MailboxChange::Kind::kArrived:
      uid_next_ = uid + 1;
      messages_.push_back(change.message);
      for (MailboxObserver* observer : std::vector(observers_)) observer->OnArrived(uid);
      return;
    case MailboxChange::Kind::kExpunged:
      std::erase_if(messages_, [uid](const ModelMessage& m) { return m.uid == uid; });
      expunged_.emplace_back(change.modseq, uid);
      for (MailboxObserver* observer : std::vector(observers_)) observer->OnExpunged(uid);
      return;
    case MailboxChange::Kind::kReflagged:
      *FindMutable(uid) = change.message;
      for (MailboxObserver* observer : std::vector(observers_)) observer->OnReflagged(uid);
      return;
  }
}

uint64_t ModelMailbox::ToldGoneNs(uint32_t uid) const {
  auto it = told_gone_ns_.find(uid);
  return it == told_gone_ns_.end() ? kNever : it->second;
}

bool ModelMailbox::TakeRecent(uint32_t uid) {
  ModelMessage* message = FindMutable(uid);
  return message != nullptr && std::exchange(message->recent, false);
}

void ModelMailbox::Replace() {
  replaced_ = true;
  for (MailboxObserver* observer : std::vector(observers_)) observer->OnReplaced();
}

std::string ModelBody(std::string_view user, std::string_view mailbox, uint32_t uid_validity,
                      uint32_t uid, uint32_t size) {
  std::string body = "user=";
  body.append(user).append(" mailbox=").append(mailbox);
  body.append(" validity=").append(std::to_string(uid_validity));
  body.append(" uid=").append(std::to_string(uid)).append("\r\n");
  while (body.size() < size) body.append("a line of a long message {7}\r\n* 1 EXPUNGE\r\n");
  return body;
}

std::string FlagText(const ModelFlags& flags) {
  std::string text;
  for (const std::string& flag : flags) {
    if (!text.empty()) text += ' ';
    text += flag;
  }
  return text;
}

}  // namespace roost
