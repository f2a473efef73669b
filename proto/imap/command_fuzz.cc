// Reads any bytes as a command and asks everything there is to ask about it.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proto/check.h"
#include "proto/imap/command.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace roost;  // NOLINT: a fuzz target's only function
  std::string_view whole(reinterpret_cast<const char*>(data), size);
  Command command = ParseCommand(whole);
  ROOST_CHECK(command.kind == CommandKind::kMalformed || IsValidTag(command.tag));
  ROOST_CHECK(command.tag.size() + command.name.size() + command.args.size() <= size);
  bool stateless = IsStateless(command);
  bool numbers = UsesSequenceNumbers(command);
  ROOST_CHECK(!ForbidsExpunge(command) || numbers);
  ROOST_CHECK(!NeverAfterLogin(command) || !stateless);
  SwitchesOnCondstore(command);
  SearchTraits traits = AnalyzeSearch(command);
  ROOST_CHECK(traits.whole || (traits.numbers && traits.keeps_state));
  ROOST_CHECK(command.complete || !traits.whole);

  LoginArgs login;
  AuthenticateArgs authenticate;
  SelectArgs select;
  EnableArgs enable;
  std::vector<IdField> id;
  ROOST_CHECK(!ParseLogin(command, &login) || command.complete);
  ParseAuthenticate(command, &authenticate);
  if (ParseSelect(command, &select)) ROOST_CHECK(!select.mailbox_as_sent.empty());
  ParseEnable(command, &enable);
  ROOST_CHECK(!ParseId(command, &id) || id.size() <= 30);

  TokenCursor cursor(whole);
  std::string_view value;
  while (cursor.Value(&value) || cursor.Space()) {
    ROOST_CHECK(cursor.position() <= size);
  }
  return 0;
}
