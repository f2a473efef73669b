// One load client: a Stream with a Dialogue on it, the clock readings between, and its habit.
//
//   idle       IDLE, and IDLE again before the server loses patience
//   poll       no IDLE: NOOP at an interval
//   fetch      idle; told of a message it leaves IDLE, fetches flags and envelope, and idles again
//   slow       idle, but reads only half of the time
//   reconnect  idle; cuts its connection after a time and comes back
//
// Lifetime: owned by its shard; leaves by LoadShard::OnClientEnded or OnClientAway, which retire
// it: one that comes back is a new one. Thread rule:
// the shard's thread. Memory while idle: this object (about 0.9 KB) and no buffers.
#ifndef ROOST_TOOLS_LOAD_CLIENT_H_
#define ROOST_TOOLS_LOAD_CLIENT_H_

#include <cstdint>
#include <string_view>

#include "core/stream/loop.h"
#include "core/stream/stream.h"
#include "tools/load/arrivals.h"
#include "tools/load/dialogue.h"
#include "tools/load/load_shard.h"

namespace roost::load {

class Client final : public Retirable, private StreamOwner, private DialogueHost {
 public:
  Client(LoadShard& shard, LoadUser* user, const Visit& visit);

  // May end it at once.
  void Open();
  // Says goodbye; the shard is not told.
  void Leave();
  // Cuts the connection and comes back at that time. Precondition: idle().
  void Drop(Visit::Why why, uint64_t back_ns);

  const Visit& visit() const { return visit_; }
  // It waits for news, or did until it ended.
  bool idle() const { return idled_; }
  // Its place in the shard's list.
  size_t index = 0;

 private:
  void OnConnected(Stream& stream) override;
  void OnInput(Stream& stream) override;
  void OnSecure(Stream& stream) override;
  void OnEnd(Stream& stream, StreamEnd end) override;

  void Send(std::string_view bytes) override { stream_.Write(bytes); }
  void StartTls() override { start_tls_ = true; }
  void OnLoggedIn() override;
  void OnIdle() override;
  void OnAnswered(bool ok) override;
  void OnExists(int64_t growth) override;
  void OnExpunge() override;
  void OnTold(std::string_view line) override;
  void OnFailed(std::string_view reason) override;

  void Handshake();
  // It waits from now on.
  void Settle();
  void Told();
  void Expect();
  bool TalksImap() const;
  void End();

  // client_habits.cc
  void BeginHabit();
  void Rest();
  void Fetch();
  void Poll();
  void Read(bool reading);
  Histogram& ToldOf(Result& result) const;
  // For how long it may not listen while it is idle.
  uint64_t HeedlessNs() const;
  uint64_t now() const { return shard_.loop().now_ns(); }

  LoadShard& shard_;
  LoadUser& user_;
  const Visit visit_;
  const Habit habit_;
  bool start_tls_ = false;
  bool idled_ = false;
  bool failed_ = false;
  bool fetch_due_ = false;  // kFetch: told of something that it has not fetched
  bool ended_ = false;
  uint32_t fetch_from_ = 0;  // the UID from which it fetches now
  uint32_t told_ = 0;        // of the messages delivered to the user, how many this client knows of
  uint64_t began_ns_ = 0;
  uint64_t step_ns_ = 0;  // when the step that is measured now began
  Stream stream_;
  Dialogue dialogue_;
  Alarm alarm_;        // an answer is due: it has failed; else IDLE again, or NOOP
  Alarm habit_alarm_;  // of what goes on beside that: not reading, cutting the connection
};

}  // namespace roost::load

#endif  // ROOST_TOOLS_LOAD_CLIENT_H_
