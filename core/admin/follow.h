// The answer to "trace USER": what happens to the clients of that user, until whoever asked goes.
//
// Blocking, on a thread of the control socket. Lines of JSON, and an empty one each second in which
// nothing happens, so that an end is noticed on either side. Bounds: kMostFollowers at once.
#ifndef ROOST_CORE_ADMIN_FOLLOW_H_
#define ROOST_CORE_ADMIN_FOLLOW_H_

#include <string>

#include "core/admin/rows.h"

namespace roost {

inline constexpr int kMostFollowers = 4;

void FollowUser(Server& server, const std::string& login, const Say& say);

}  // namespace roost

#endif  // ROOST_CORE_ADMIN_FOLLOW_H_
