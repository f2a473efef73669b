// The little IMAP syntax that the models need: whole messages out of a stream, tokens, sets.
//
// What it is not: it shares no code with proto/imap, whose mistakes it must not repeat. It is slow,
// simple and trusting: on text that no model writes it may answer anything, but it stays within its
// bounds.
#ifndef ROOST_CORE_SIM_IMAP_TEXT_H_
#define ROOST_CORE_SIM_IMAP_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace roost {

// Takes whole commands or responses off a stream: one line, or several with the literals between
// them.
class MessageReader {
 public:
  // Whether a literal behind this text is read, or the text is all there is.
  using TakesLiteral = std::function<bool(std::string_view text)>;

  // The next one, without its last CRLF, its literals as they came. Nothing: more bytes are needed.
  std::optional<std::string> Next(std::string* input, const TakesLiteral& takes_literal = {});
  // A literal was announced that the sender wants to be asked for. Once.
  bool TakeContinuationWanted();
  bool AtStart() const { return message_.empty() && literal_left_ == 0; }

 private:
  std::string message_;
  size_t literal_left_ = 0;
  bool continuation_wanted_ = false;
};

struct TextToken {
  enum class Kind : uint8_t { kAtom, kString, kOpen, kClose };
  Kind kind = Kind::kAtom;
  std::string text;
  bool Is(std::string_view word) const;  // an atom, any case
};

// Atoms keep their brackets: "BODY[HEADER]" is one.
std::vector<TextToken> Tokenize(std::string_view text);

bool SameWord(std::string_view a, std::string_view b);
std::string Upper(std::string_view text);
uint64_t ToNumber(std::string_view text);

// "1:3,7,*" as ascending numbers, each once; `star` is what * means. Numbers beyond `star` are left
// out.
std::vector<uint32_t> ExpandSet(std::string_view set, uint32_t star);
// Ascending numbers as "1:3,7".
std::string CompressSet(const std::vector<uint32_t>& numbers);

std::string ToBase64(std::string_view bytes);
std::string FromBase64(std::string_view text);

}  // namespace roost

#endif  // ROOST_CORE_SIM_IMAP_TEXT_H_
