// Reads the JSON that roostd writes, piece by piece.
//
// Pure. Each function skips white space and reads one thing, or returns false with the position
// anywhere.
#ifndef ROOST_TOOLS_CTL_JSON_READER_H_
#define ROOST_TOOLS_CTL_JSON_READER_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace roost {

class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : rest_(text) {}

  bool Char(char wanted);
  // Of escapes those that roostd writes: quotes, backslashes and control characters.
  bool String(std::string* out);
  bool Number(uint64_t* out);
  bool Bool(bool* out);
  // "wanted":
  bool Name(std::string_view wanted);
  bool AtEnd();
  // The next thing is a text, a number or something else.
  bool AtString();
  bool AtNumber();

 private:
  void SkipSpace();
  bool Escape(std::string* out);

  std::string_view rest_;
};

}  // namespace roost

#endif  // ROOST_TOOLS_CTL_JSON_READER_H_
