#include "core/client/client.h"

#include <algorithm>
#include <utility>

namespace roost {
namespace {

bool HasPrefix(std::string_view text, std::string_view prefix) {
  if (text.size() < prefix.size()) return false;
  return std::equal(prefix.begin(), prefix.end(), text.begin(),
                    [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b + 32 : b); });
}

}  // namespace

Client::Client(Services& services, uint32_t index)
    : services_(services),
      index_(index),
      generation_(services.clients.cell(index).generation),
      stream_(services.loop.streams(), *this),
      framer_(Direction::kCommands, {static_cast<size_t>(services.config.limits.max_line)}) {}

Client::~Client() = default;

void Client::Become(std::unique_ptr<Talk> talk) {
  services_.loop.Retire(std::move(talk_));
  talk_ = std::move(talk);
}

void Client::ResumeInput() {
  if (closed_ || resuming_) return;
  resuming_ = true;
  services_.loop.Post([this, life = life_.watch()] {
    if (life.expired()) return;
    resuming_ = false;
    if (!closed_) talk_->OnInput();
  });
}

void Client::OnInput(Stream&) {
  if (closed_) return;
  cell().heard_s = static_cast<uint32_t>(NsToSeconds(services_.loop.now_ns()));
  talk_->OnInput();
}

void Client::OnSecure(Stream&) {
  if (!closed_) talk_->OnSecure();
}

void Client::OnDrained(Stream&) {
  if (!closed_) talk_->OnDrained();
  if (must_read_first_ && !Full()) ResumeInput();
}

bool Client::Full() const {
  return stream_.unsent() > static_cast<size_t>(services_.config.limits.relay_buffer);
}

bool Client::MustReadFirst() {
  must_read_first_ = Full();
  if (must_read_first_) stream_.SetReading(false);
  return must_read_first_;
}

Piece Client::NextPiece() {
  const Piece piece = framer_.Next(stream_.input());
  if (piece.kind != Piece::Kind::kError) return piece;
  services_.stats.Hit(ClientLimit::kLine);
  // Who has logged in is to come again.
  const bool entering = cell().phase == ClientPhase::kEntering;
  Bye((entering ? "" : "[UNAVAILABLE] ") + std::string(piece.error));
  return {};
}

void Client::OnEnd(Stream&, StreamEnd) {
  if (closed_) return;
  Finish();
}

void Client::Answer(std::string_view tag, std::string_view status_and_text) {
  std::string line(tag.empty() ? "*" : tag);
  line.append(" ").append(status_and_text).append("\r\n");
  Write(line);
}

void Client::AnswerCapability(std::string_view tag, const std::string& capabilities) {
  Write("* CAPABILITY " + capabilities + "\r\n");
  Answer(tag, "OK Capability completed.");
}

void Client::AnswerId(const Command& command) {
  KeepId(command);
  Write("* ID (\"name\" \"Roost\" \"support-url\" NIL)\r\n");
  Answer(command.tag, "OK ID completed.");
}

void Client::AnswerLogout(std::string_view tag) {
  Write("* BYE Logging out\r\n");
  Answer(tag, "OK Logout completed.");
  Close();
}

void Client::Bye(std::string_view text) {
  if (closed_) return;
  if (!talk_->MayInterject()) return Abort();
  if (talk_->EndIsSaid()) return Close();
  if (services_.trace.on()) services_.clients.Follow(cell(), "bye", {{"text", text}});
  std::string line = "* BYE ";
  line.append(text).append("\r\n");
  Write(line);
  Close();
}

void Client::Close() {
  if (closed_) return;
  stream_.Close();
  Finish();
}

void Client::Abort() {
  if (closed_) return;
  stream_.Abort();
  Finish();
}

void Client::Finish() {
  closed_ = true;
  talk_->OnEnd();
  services_.clients.Remove(index_);
}

void Client::KeepId(const Command& command) {
  std::vector<IdField> fields;
  if (!ParseId(command, &fields)) return;
  IdFields kept;
  for (IdField& field : fields) {
    // Only Roost says where a client comes from.
    const bool ours = HasPrefix(field.name, "x-") || HasPrefix(field.name, "forward");
    const bool fits = kept.size() < ClientIds::kMaxFields && field.value &&
                      field.value->size() <= ClientIds::kMaxValue;
    if (!ours && fits) kept.emplace_back(std::move(field.name), std::move(*field.value));
  }
  SetId(std::move(kept));
}

void Client::SetId(IdFields fields) {
  ClientIds& ids = services_.clients.ids();
  ids.Drop(std::exchange(cell().id, 0));
  cell().id = ids.Keep(std::move(fields));
}

SessionClient Client::session_client() {
  return {cell().peer, services_.listener_addresses.at(cell().listener), id(),
          cell().connection_id};
}

void Client::OpenFromCell(std::span<const uint8_t> received) {
  ClientCell& c = cell();
  Stream::Detached connection;
  connection.socket = c.TakeSocket();
  c.Wake(this);
  connection.tls = c.tls;
  Wipe(c.tls);
  std::string& early =
      connection.tls.suite == TlsSuite::kNone ? connection.plaintext : connection.ciphertext;
  early.assign(received.begin(), received.end());
  stream_.Open(std::move(connection));
  if (!received.empty()) stream_.DeliverPending();
}

void Client::SleepIntoCell() {
  ClientCell& c = cell();
  Stream::Detached connection = stream_.Detach();
  c.Sleep(connection.socket);
  c.tls = connection.tls;
  Wipe(connection.tls);
  closed_ = true;
  Io& io = services_.loop.io();
  io.SetOwner(c.socket(), services_.clients.OwnerOf(index_));
  if (!io.ReceivePending(c.socket())) io.WaitReadable(c.socket());
}

std::string_view RefusalOf(const Command& command) {
  const bool known =
      command.kind != CommandKind::kMalformed && command.kind != CommandKind::kUnknown;
  return known ? "NO [CANNOT] Not possible here" : "BAD Unknown or malformed command";
}

}  // namespace roost
