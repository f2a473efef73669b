// Brings a session to an exact and fully known view: lists it, then learns the UIDs of what came
// meanwhile.
//
// One use; a member of whoever parks, wakes or recovers. The session must stay alive or the Lister
// go first.
#ifndef ROOST_CORE_PARK_LISTER_H_
#define ROOST_CORE_PARK_LISTER_H_

#include <functional>
#include <memory>

#include "core/base/life.h"
#include "core/store/session.h"

namespace roost {

class Lister final : public Retirable {
 public:
  explicit Lister(Session& session) : session_(session) {}
  // `done(true)`: the session's view is exact, all UIDs are known, nothing is in flight.
  void Start(std::function<void(bool)> done);
  // The same for a session that has a view already: only what came since is asked for.
  void Complete(std::function<void(bool)> done);
  // done(false) as soon as what is under way is answered: mail may keep coming in.
  void GiveUp() { given_up_ = true; }

 private:
  static constexpr int kMaxFetches = 5;
  static constexpr int kMaxLists = 4;
  void List();
  void Resolve();
  void Finish(bool ok);

  Session& session_;
  int fetches_ = 0;
  int lists_ = 0;
  bool given_up_ = false;
  std::function<void(bool)> done_;
  Life life_;
};

}  // namespace roost

#endif  // ROOST_CORE_PARK_LISTER_H_
