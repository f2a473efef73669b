// A client while bytes of it are being handled: its stream, its command framer, and the talk it is
// in.
//
// What it is: the frame that the phases of a connection share. One file per phase holds what is
// done in it:
//   entering.h   TLS, greeting, capabilities, LOGIN and AUTHENTICATE, until the store has said OK
//   relay.h      attached: bytes pass between client and session, IDLE leads to parking
//   awake.h      parked: what is answered without a session, and waking
// What it is not: it exists for no idle client (see cell.h).
//
// Lifetime: from accept or from the moment a parked client is readable, to parked and quiet again,
// or closed. Retired through the Loop, never destroyed in a callback. Thread rule: its shard.
#ifndef ROOST_CORE_CLIENT_CLIENT_H_
#define ROOST_CORE_CLIENT_CLIENT_H_

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/base/life.h"
#include "core/client/cell.h"
#include "core/client/clients.h"
#include "core/client/services.h"
#include "core/stream/loop.h"
#include "proto/imap/command.h"
#include "proto/imap/framer.h"

namespace roost {

class Client;
class Session;

// One phase of a connection. Replaced by Client::Become; the old one is retired.
class Talk : public Retirable {
 public:
  explicit Talk(Client& client) : client_(client) {}
  // stream().input() has grown, or what held it up is over.
  virtual void OnInput() = 0;
  virtual void OnSecure() {}
  virtual void OnDrained() {}
  // The deadline set by Clients::SetTimer, while it enters and while attached.
  virtual void OnTimer() {}
  // timeouts.heartbeat_s is another.
  virtual void OnBeatChanged() {}
  // It is in Services::awaiting_tls, and its turn has come.
  virtual void OnTurnForTls() {}
  // The client is gone; the cell is freed right after.
  virtual void OnEnd() {}
  // A command is in progress that is worth a little wait before the client is told BYE.
  virtual bool Busy() const { return false; }
  // The peer has heard, or is about to, that this is the end: a BYE of ours would be one too many.
  virtual bool EndIsSaid() const { return false; }
  // Whose connection this is, where the cell's user does not say it.
  virtual std::string_view login() const { return {}; }
  // What Clients::AdmitLogin was given, where that is not the login of the cell's user.
  virtual std::string_view counted_as() const { return login(); }
  // The client's own; null without one, or while others have it.
  virtual const Session* session() const { return nullptr; }
  // No response is half written: a line of ours would be taken for one, not for a part of it.
  virtual bool MayInterject() const { return true; }

 protected:
  Client& client_;
};

class Client final : public Retirable, private StreamOwner {
 public:
  Client(Services& services, uint32_t index);
  ~Client() override;

  Services& services() { return services_; }
  Stream& stream() { return stream_; }
  // Gone with closed(), though a new client may have the same place.
  ClientCell& cell() {
    ROOST_DCHECK(services_.clients.IsLive(index_, generation_));
    return services_.clients.cell(index_);
  }
  uint32_t index() const { return index_; }
  Framer& framer() { return framer_; }
  void ResetFramer(size_t max_line) { framer_ = Framer(Direction::kCommands, {max_line}); }

  // The next piece of the client's input, nothing consumed yet. Never kError: the client has been
  // told BYE then, and what is returned is kNeedMore.
  Piece NextPiece();
  // Asked before a piece is taken that may be answered here. True: more waits for the client than
  // is buffered for it (limits.relay_buffer). Nothing is received until that has left; then OnInput
  // comes.
  bool MustReadFirst();

  void Become(std::unique_ptr<Talk> talk);
  Talk& talk() { return *talk_; }
  // Has the talk look at the input again, later in this turn.
  void ResumeInput();

  void Write(std::string_view bytes) { stream_.Write(bytes); }
  // "tag OK text"; without a tag, which a malformed command has none of, "* BAD text".
  void Answer(std::string_view tag, std::string_view status_and_text);
  // What Roost answers in every phase.
  void AnswerCapability(std::string_view tag, const std::string& capabilities);
  void AnswerId(const Command& command);
  void AnswerLogout(std::string_view tag);

  // `* BYE text` and an orderly close; in the middle of a response an abort, without a word.
  void Bye(std::string_view text);
  void Close();
  // At once, without close_notify: the client must not take what it got for whole.
  void Abort();
  bool closed() const { return closed_; }

  // Fields of the client's ID command, cleaned of what only Roost may claim; sent on with its
  // sessions.
  const IdFields& id() { return services_.clients.ids().Get(cell().id); }
  void SetId(IdFields fields);
  SessionClient session_client();

  // For a cell that wakes: hands over the connection, with what was received of it. For one that
  // sleeps: takes it away.
  void OpenFromCell(std::span<const uint8_t> received = {});
  bool MaySleep() const { return !closed_ && stream_.Quiet() && framer_.AtMessageStart(); }
  void SleepIntoCell();
  // After the talk let go of the connection (it moves to another shard).
  void Leave() { closed_ = true; }

 private:
  void OnInput(Stream&) override;
  void OnSecure(Stream&) override;
  void OnDrained(Stream&) override;
  void OnEnd(Stream& stream, StreamEnd end) override;
  void Finish();
  bool Full() const;
  void KeepId(const Command& command);

  Services& services_;
  const uint32_t index_, generation_;
  Stream stream_;
  Framer framer_;
  std::unique_ptr<Talk> talk_;
  bool closed_ = false;
  bool resuming_ = false;
  bool must_read_first_ = false;
  Life life_;
};

// What a command is answered with that must not reach a store.
std::string_view RefusalOf(const Command& command);

}  // namespace roost

#endif  // ROOST_CORE_CLIENT_CLIENT_H_
