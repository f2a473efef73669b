// What FETCH and SEARCH want to know of a message: header fields, ENVELOPE, BODYSTRUCTURE,
// sections.
//
// What it is not: no decoder. Header text, transfer encodings and character sets pass as they are,
// as IMAP wants; broken messages get a plain reading (text/plain) instead of an error.
//
// Pure functions over a message's bytes; results that are views point into them.
// Bounds: kMaxDepth levels and kMaxParts parts are looked at; what lies below is opaque.
// RFC 3501, 6.4.5 and 7.4.2; RFC 2045, 2046, 5322.
#ifndef ROOST_TOOLS_STORE_MIME_H_
#define ROOST_TOOLS_STORE_MIME_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace roost::embedded {

// One entity: the message itself, or a part of it.
struct Part {
  static constexpr int kMaxDepth = 20;
  static constexpr int kMaxParts = 1000;

  std::string_view header;  // with the empty line that ends it
  std::string_view body;
  std::string type = "TEXT";
  std::string subtype = "PLAIN";
  std::vector<std::pair<std::string, std::string>> parameters;
  std::vector<Part> children;  // of a multipart; the one message of a message/rfc822

  bool IsMultipart() const { return type == "MULTIPART"; }
  bool IsMessage() const { return type == "MESSAGE" && !children.empty(); }
};

Part ParseMessage(std::string_view message);

// The header of a message with the empty line behind it; all of the message when there is none.
std::string_view HeaderOf(std::string_view message);

// Calls for each field with its name and all of its lines, line ends included.
void ForEachField(std::string_view header,
                  const std::function<void(std::string_view name, std::string_view lines)>& fn);
// The value of the first such field, unfolded; nothing when there is none.
std::optional<std::string> FieldValue(std::string_view header, std::string_view name);

// "(date subject from sender reply-to to cc bcc in-reply-to message-id)"
void AppendEnvelope(std::string* out, std::string_view header);
// BODY, or BODYSTRUCTURE with its extension data.
void AppendBodyStructure(std::string* out, const Part& part, bool extensions);

// What stands between BODY[ and ].
struct Section {
  enum class Text : uint8_t { kAll, kHeader, kHeaderFields, kHeaderFieldsNot, kText, kMime };
  std::vector<uint32_t> path;
  Text text = Text::kAll;
  std::vector<std::string> fields;

  // From "1.2.HEADER.FIELDS (To \"From\")". False: not a section.
  static bool Parse(std::string_view text, Section* out);
};

// The bytes of a section, nothing when there is no such part. `scratch` holds them when they had to
// be put together.
std::optional<std::string_view> ExtractSection(std::string_view message, const Section& section,
                                               std::string* scratch);

// The day of a Date field, as days since 1970, without regard to its zone.
std::optional<int64_t> DayOfDateField(std::string_view value);

}  // namespace roost::embedded

#endif  // ROOST_TOOLS_STORE_MIME_H_
