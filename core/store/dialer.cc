#include "core/store/dialer.h"

#include <algorithm>
#include <utility>

namespace roost {

LoginPlace::~LoginPlace() {
  if (!started_ || dialer_life_.expired()) return;
  (urgency_ == Dialer::Urgency::kClient ? dialer_.clients_ : dialer_.recoveries_) -= 1;
  // Not at once: this may run inside a session that is being torn down.
  dialer_.loop_.Post([dialer = &dialer_] { dialer->Next(); });
}

std::unique_ptr<Session> Dialer::Open(const Credentials& credentials, const SessionClient& client,
                                      size_t attempt, Urgency urgency, SessionSink& sink) {
  auto session = std::make_unique<Session>(loop_, target_, sink);
  auto place = std::make_shared<LoginPlace>(*this, *session, urgency);
  auto& queue = urgency == Urgency::kClient ? waiting_clients_ : waiting_recoveries_;
  if (queue.size() % kPruneEvery == kPruneEvery - 1) {  // credentials of those who left
    std::erase_if(queue, [](const Waiting& w) { return w.place.expired(); });
  }
  queue.push_back({place, credentials, client, attempt});
  session->set_login_place(std::move(place));
  ++opened_;
  loop_.Post([this] { Next(); });
  return session;
}

bool Dialer::StartOne(std::deque<Waiting>& queue, Urgency urgency) {
  while (!queue.empty()) {
    Waiting waiting = std::move(queue.front());
    queue.pop_front();
    std::shared_ptr<LoginPlace> place = waiting.place.lock();
    if (place == nullptr) continue;  // whoever waited has left
    place->started_ = true;
    (urgency == Urgency::kClient ? clients_ : recoveries_) += 1;
    place->session_.Start(waiting.credentials, waiting.client, waiting.attempt);
    return true;
  }
  return false;
}

void Dialer::Next() {
  const int most = target_.config->max_logins_in_progress;
  const int most_recoveries = std::max(1, most / 2);
  while (clients_ + recoveries_ < most && StartOne(waiting_clients_, Urgency::kClient)) {
  }
  while (clients_ + recoveries_ < most && recoveries_ < most_recoveries &&
         StartOne(waiting_recoveries_, Urgency::kRecovery)) {
  }
}

}  // namespace roost
