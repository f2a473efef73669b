// Session::List: which UIDs the selected mailbox has, so that numbers and UIDs can be told apart
// from then on.
//
// A list counts only if its size equals what the store has announced at that point of the stream,
// and if nothing changed between the command and the list: an EXPUNGE before the list names no UID.
// What comes after it is applied.
#include <utility>

#include "core/store/session.h"
#include "core/store/session_work.h"
#include "proto/check.h"

namespace roost {

void Session::List(std::function<void(bool)> done) {
  ROOST_CHECK(work().listing == nullptr);
  view_.reset();
  work_->listing = std::make_unique<Listing>();
  work_->listing->done = std::move(done);
  ListStep();
}

void Session::ListStep() {
  if (!state_.selected() || state_.selected()->out_of_step) return ListEnd(false);
  if (work_->listing->tries >= Listing::kTries) return ListByNumber();
  ++work_->listing->tries;
  Run(CommandKind::kNoop, "NOOP", [this](const Response& response) {
    if (work_->listing == nullptr) return;
    if (response.status != Status::kOk) return ListEnd(false);
    // Not pipelined: stores sync for both at once and answer the list first.
    work_->listing->clean = true;
    ListAll();
  });
}

void Session::ListAll() {
  work_->listing->uids.Clear();
  work_->listing->parser = std::make_unique<SearchListParser>(&work_->listing->uids);
  const bool esearch = state_.capabilities().Has("ESEARCH") || state_.enabled().rev2();
  Run(
      CommandKind::kSearch, esearch ? "UID SEARCH RETURN (ALL) ALL" : "UID SEARCH ALL",
      [this](const Response& response) {
        if (work_->listing == nullptr) return;
        if (response.status != Status::kOk) return ListEnd(false);
        work_->listing->accepted ? ListEnd(true) : ListStep();
      },
      [this](const Piece& piece, const Response* first) { return ListedPiece(piece, first); });
}

// True for the pieces of the list itself.
bool Session::ListedPiece(const Piece& piece, const Response* first) {
  if (work_->listing == nullptr) return false;
  if (first != nullptr && first->kind != ResponseKind::kSearch &&
      first->kind != ResponseKind::kEsearch) {
    return false;
  }
  work_->listing->parser->Feed(piece.bytes);
  if (!piece.ends_message) return true;
  const SearchListParser& parser = *work_->listing->parser;
  if (!work_->listing->parser->Finish() || !state_.selected()) return true;
  if (parser.esearch() && !parser.uid() && parser.listed() != 0) {
    // Of numbers, perhaps (RFC 4731, 3.1): asked again it would say the same.
    work_->listing->tries = Listing::kTries;
    return true;
  }
  if (work_->listing->clean && work_->listing->uids.size() == state_.selected()->exists) {
    work_->listing->accepted = true;
    view_.emplace(std::move(work_->listing->uids));
  }
  return true;
}

void Session::ListByNumber() {
  if (state_.selected()->exists == 0) {
    view_.emplace();
    return ListEnd(true);
  }
  work_->listing->expected = state_.selected()->exists;
  if (work_->listing->expected > Listing::kMostByNumber) return ListEnd(false);
  Run(
      CommandKind::kFetch, "FETCH 1:* (UID)",
      [this](const Response& response) {
        if (work_->listing == nullptr) return;
        UidSet uids;
        uint32_t last_number = 0;
        bool whole = response.status == Status::kOk;
        for (const auto& [number, uid] : work_->listing->numbered) {
          whole = whole && number == last_number + 1 && uid > uids.Last() && uids.Insert(uid);
          last_number = number;
        }
        const uint32_t exists = state_.selected() ? state_.selected()->exists : 0;
        // More may have been announced meanwhile. No number has changed: FETCH forbids EXPUNGE.
        if (!whole || last_number < work_->listing->expected || last_number > exists) {
          return ListEnd(false);
        }
        view_.emplace(std::move(uids));
        view_->Exists(exists);
        ListEnd(true);
      },
      [this](const Piece& piece, const Response* first) {
        if (first == nullptr || first->kind != ResponseKind::kFetch || !piece.ends_message) {
          return false;
        }
        const FetchInfo info = ParseFetch(first->rest);
        if (!info.uid || work_->listing == nullptr) return false;
        const bool room = first->number <= Listing::kMostByNumber;
        if (room) work_->listing->numbered[first->number] = *info.uid;
        return !info.flags && !info.other_items;  // with flags it is news as well
      });
}

void Session::ListEnd(bool ok) {
  std::unique_ptr<Listing> listing = std::move(work_->listing);
  if (listing == nullptr) return;
  if (!ok) view_.reset();
  listing->done(ok);
}

}  // namespace roost
