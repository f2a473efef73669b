// A look-up service on a simulated network that says what a test tells it to.
//
// What it is not: it reads no HTTP beyond the empty line behind a request.
#ifndef ROOST_CORE_TESTING_SCRIPTED_SERVICE_H_
#define ROOST_CORE_TESTING_SCRIPTED_SERVICE_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/io/simulated.h"
#include "core/sim/wire.h"

namespace roost {

class ScriptedService {
 public:
  // Listens on "127.0.0.3:80", the Io being of a set of its own.
  ScriptedService(SimNetwork& network, SimRunner& runner, uint32_t set, std::string_view address);
  ~ScriptedService();

  // To each request from now on, at once, as it is; empty: nothing. A connection is closed behind
  // it if `closes`.
  void Answer(std::string bytes, bool closes = false) {
    answer_ = std::move(bytes);
    closes_ = closes;
  }
  // The head of an answer and an empty body: "Auth-Status: OK", ...
  void AnswerFields(const std::vector<std::string>& fields);
  // To the connection of that request, later.
  void Say(size_t request, std::string_view bytes);
  void CloseAll();

  const std::vector<std::string>& requests() const { return requests_; }  // as they came
  // The value of a field of a request; "-": it has none.
  std::string Field(size_t request, std::string_view name) const;
  size_t connections() const { return peers_.size(); }  // that ever were
  size_t open() const;

 private:
  class Peer;

  Wires wires_;
  std::string answer_;
  bool closes_ = false;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::vector<std::string> requests_;
  std::vector<Peer*> asked_;  // by request
};

}  // namespace roost

#endif  // ROOST_CORE_TESTING_SCRIPTED_SERVICE_H_
