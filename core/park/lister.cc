#include "core/park/lister.h"

#include <utility>

#include "proto/imap/writer.h"

namespace roost {

void Lister::Start(std::function<void(bool)> done) {
  done_ = std::move(done);
  List();
}

void Lister::List() {
  ++lists_;
  session_.List([this, life = life_.watch()](bool ok) {
    if (life.expired()) return;
    ok ? Resolve() : Finish(false);
  });
}

void Lister::Complete(std::function<void(bool)> done) {
  done_ = std::move(done);
  Resolve();
}

void Lister::Resolve() {
  MailboxView* view = session_.mutable_view();
  if (view == nullptr || given_up_) return Finish(false);
  // A VANISHED may have named a message that was announced and whose UID was not known yet.
  if (!view->ok()) return lists_ < kMaxLists ? List() : Finish(false);
  if (!view->CommitTail().empty()) fetches_ = 0;
  if (view->tail_size() == 0) return Finish(true);
  if (++fetches_ > kMaxFetches) return Finish(false);
  std::string fetch = "UID FETCH ";
  AppendNumber(&fetch, uint64_t{view->known().Last()} + 1);
  fetch += ":* (UID)";
  session_.Run(
      CommandKind::kFetch, fetch,
      [this, life = life_.watch()](const Response&) {
        if (!life.expired()) Resolve();
      },
      [](const Piece& piece, const Response* first) {
        // Its own answers, which name nothing but UIDs, are nobody's news.
        if (first == nullptr || first->kind != ResponseKind::kFetch) return false;
        const FetchInfo info = ParseFetch(first->rest);
        return piece.ends_message && info.uid && !info.flags && !info.other_items;
      });
}

void Lister::Finish(bool ok) {
  auto done = std::exchange(done_, nullptr);
  if (done) done(ok);
}

}  // namespace roost
