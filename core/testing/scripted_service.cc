#include "core/testing/scripted_service.h"

#include <algorithm>

namespace roost {

class ScriptedService::Peer final : public WireOwner {
 public:
  Peer(Wires& wires, std::function<void(Peer&, std::string)> on_request)
      : wire(wires, *this), on_request_(std::move(on_request)) {}

  Wire wire;

 private:
  void OnWireInput() override {
    for (size_t end; (end = wire.input.find("\r\n\r\n")) != wire.input.npos;) {
      std::string request = wire.input.substr(0, end + 4);
      wire.input.erase(0, end + 4);
      on_request_(*this, std::move(request));
    }
  }
  void OnWireClosed(int) override {}

  const std::function<void(Peer&, std::string)> on_request_;
};

ScriptedService::ScriptedService(SimNetwork& network, SimRunner& runner, uint32_t set,
                                 std::string_view address)
    : wires_(*network.AddIo(set)) {
  Address own;
  Address::Parse(address, &own);
  wires_.set_accept([this](SocketId socket, const Address&) {
    auto on_request = [this](Peer& peer, std::string request) {
      requests_.push_back(std::move(request));
      asked_.push_back(&peer);
      if (!answer_.empty()) peer.wire.Write(answer_);
      if (closes_) peer.wire.Close();
    };
    peers_.push_back(std::make_unique<Peer>(wires_, on_request));
    peers_.back()->wire.Open(socket);
  });
  wires_.io().Listen(network.MakeListener(own), 0);
  runner.Add([this] { return wires_.Turn(); });
}

ScriptedService::~ScriptedService() = default;

void ScriptedService::AnswerFields(const std::vector<std::string>& fields) {
  std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n";
  for (const std::string& field : fields) head += field + "\r\n";
  Answer(head + "\r\n");
}

void ScriptedService::Say(size_t request, std::string_view bytes) {
  asked_[request]->wire.Write(bytes);
}

void ScriptedService::CloseAll() {
  for (auto& peer : peers_) peer->wire.Close();
}

std::string ScriptedService::Field(size_t request, std::string_view name) const {
  const std::string& text = requests_[request];
  const std::string begin = "\r\n" + std::string(name) + ": ";
  const size_t at = text.find(begin);
  if (at == text.npos) return "-";
  const size_t from = at + begin.size();
  return text.substr(from, text.find("\r\n", from) - from);
}

size_t ScriptedService::open() const {
  return static_cast<size_t>(std::count_if(peers_.begin(), peers_.end(),
                                           [](const auto& peer) { return peer->wire.open(); }));
}

}  // namespace roost
