#include "tools/store/mime.h"

#include <algorithm>

#include "proto/imap/tokens.h"
#include "proto/imap/writer.h"
#include "tools/store/mail_date.h"
#include "tools/store/text.h"

namespace roost::embedded {
namespace {

std::string_view NextLine(std::string_view text, size_t* at) {
  const size_t lf = text.find('\n', *at);
  const size_t end = lf == std::string_view::npos ? text.size() : lf + 1;
  const std::string_view line = text.substr(*at, end - *at);
  *at = end;
  return line;
}

bool IsBlankLine(std::string_view line) { return WithoutLineEnd(line).empty(); }

uint32_t CountLines(std::string_view body) {
  auto lines = static_cast<uint32_t>(std::count(body.begin(), body.end(), '\n'));
  if (!body.empty() && body.back() != '\n') ++lines;
  return lines;
}

void AppendNstring(std::string* out, const std::optional<std::string>& value) {
  if (!value) {
    out->append("NIL");
  } else if (!AppendString(out, *value, LiteralStyle::kSync)) {
    out->append("NIL");  // it has a NUL, which no string carries
  }
}

// The bytes are the message's own: a NUL in a value cannot be sent, and becomes NIL above.
void AppendValue(std::string* out, std::string_view value) {
  if (!AppendString(out, value, LiteralStyle::kSync)) out->append("\"\"");
}

// Reads the tokens of structured fields (RFC 5322, 3.2; RFC 2045, 5.1).
class FieldReader {
 public:
  explicit FieldReader(std::string_view text) : text_(text) {}

  void SkipBlanksAndComments(std::string* comment = nullptr) {
    while (at_ < text_.size()) {
      if (std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) {
        ++at_;
      } else if (text_[at_] == '(') {
        ReadComment(comment);
      } else {
        return;
      }
    }
  }

  bool AtEnd() const { return at_ == text_.size(); }
  char Peek() const { return AtEnd() ? '\0' : text_[at_]; }
  bool Consume(char c) {
    if (AtEnd() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  // A quoted string, or everything up to one of `stops`, a blank or a comment.
  bool Word(std::string_view stops, std::string* out) {
    if (Consume('"')) {
      while (!AtEnd() && text_[at_] != '"') {
        if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
        out->push_back(text_[at_++]);
      }
      Consume('"');
      return true;
    }
    const size_t start = at_;
    while (!AtEnd() && stops.find(text_[at_]) == std::string_view::npos &&
           std::string_view(" \t\r\n(\"").find(text_[at_]) == std::string_view::npos) {
      ++at_;
    }
    out->append(text_.substr(start, at_ - start));
    return at_ > start;
  }

  void SkipOne() {
    if (!AtEnd()) ++at_;
  }

 private:
  void ReadComment(std::string* comment) {
    int depth = 0;
    std::string text;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '(' && depth++ == 0) continue;
      if (c == ')' && --depth == 0) {
        ++at_;
        break;
      }
      if (c == '\\' && at_ + 1 < text_.size()) ++at_;
      text.push_back(text_[at_]);
    }
    if (comment != nullptr) *comment = std::move(text);
  }

  std::string_view text_;
  size_t at_ = 0;
};

// name;key=value;key="value"
struct ParameterizedValue {
  std::string value;
  std::vector<std::pair<std::string, std::string>> parameters;
};

ParameterizedValue ParseParameterized(std::string_view text) {
  ParameterizedValue result;
  FieldReader reader(text);
  reader.SkipBlanksAndComments();
  reader.Word(";", &result.value);
  while (!reader.AtEnd()) {
    reader.SkipBlanksAndComments();
    if (!reader.Consume(';')) {
      reader.SkipOne();
      continue;
    }
    reader.SkipBlanksAndComments();
    std::string key;
    std::string value;
    if (!reader.Word(";=", &key)) continue;
    reader.SkipBlanksAndComments();
    if (!reader.Consume('=')) continue;
    reader.SkipBlanksAndComments();
    reader.Word(";", &value);
    result.parameters.emplace_back(ToUpperAscii(key), std::move(value));
  }
  return result;
}

void AppendParameters(std::string* out,
                      const std::vector<std::pair<std::string, std::string>>& parameters) {
  if (parameters.empty()) {
    out->append("NIL");
    return;
  }
  char separator = '(';
  for (const auto& [key, value] : parameters) {
    out->push_back(separator);
    separator = ' ';
    AppendValue(out, key);
    out->push_back(' ');
    AppendValue(out, value);
  }
  out->push_back(')');
}

struct MailAddress {
  std::optional<std::string> name, mailbox, host;
};

void AppendAddress(std::string* out, const MailAddress& address) {
  out->push_back('(');
  AppendNstring(out, address.name);
  out->append(" NIL ");
  AppendNstring(out, address.mailbox);
  out->push_back(' ');
  AppendNstring(out, address.host);
  out->push_back(')');
}

// addr-spec, up to what ends it: "local.part@host".
MailAddress ReadAddrSpec(FieldReader* reader, std::string* comment) {
  MailAddress address;
  std::string local;
  std::string host;
  bool in_host = false;
  while (!reader->AtEnd()) {
    reader->SkipBlanksAndComments(comment);
    const char c = reader->Peek();
    if (c == ',' || c == ';' || c == '>' || c == '\0') break;
    if (reader->Consume('@')) {
      in_host = true;
    } else if (!reader->Word(",;>@", in_host ? &host : &local)) {
      reader->SkipOne();
    }
  }
  address.mailbox = std::move(local);
  address.host = std::move(host);
  return address;
}

std::vector<MailAddress> ParseAddresses(std::string_view text) {
  std::vector<MailAddress> result;
  FieldReader reader(text);
  bool in_group = false;
  while (!reader.AtEnd()) {
    std::string comment;
    std::string phrase;
    FieldReader start = reader;
    // Read words until it is clear what this is.
    for (;;) {
      reader.SkipBlanksAndComments(&comment);
      if (reader.AtEnd() ||
          std::string_view(",;:<>@").find(reader.Peek()) != std::string_view::npos) {
        break;
      }
      if (!phrase.empty()) phrase.push_back(' ');
      if (!reader.Word(",;:<>@", &phrase)) reader.SkipOne();
    }
    if (reader.Consume('<')) {
      MailAddress address = ReadAddrSpec(&reader, &comment);
      reader.Consume('>');
      if (!phrase.empty()) address.name = std::move(phrase);
      result.push_back(std::move(address));
    } else if (reader.Consume(':')) {
      in_group = true;
      result.push_back({.name = {}, .mailbox = std::move(phrase), .host = {}});
      continue;
    } else if (!phrase.empty() || reader.Peek() == '@') {
      reader = start;
      MailAddress address = ReadAddrSpec(&reader, &comment);
      if (!comment.empty()) address.name = std::move(comment);
      result.push_back(std::move(address));
    }
    reader.SkipBlanksAndComments();
    if (reader.Consume(';') && in_group) {
      in_group = false;
      result.emplace_back();
    }
    while (!reader.AtEnd() && (reader.Consume(',') || reader.Consume('>') || reader.Consume(';') ||
                               reader.Consume('@'))) {
      reader.SkipBlanksAndComments();
    }
  }
  return result;
}

void AppendAddressList(std::string* out, const std::optional<std::string>& field) {
  const std::vector<MailAddress> addresses =
      field ? ParseAddresses(*field) : std::vector<MailAddress>();
  if (addresses.empty()) {
    out->append("NIL");
    return;
  }
  out->push_back('(');
  for (const MailAddress& address : addresses) AppendAddress(out, address);
  out->push_back(')');
}

void ParseInto(Part* part, std::string_view entity, bool digest, int depth, int* parts);

// The pieces of a multipart's body between its boundary lines.
void ParseMultipart(Part* part, std::string_view boundary, bool digest, int depth, int* parts) {
  const std::string delimiter = "--" + std::string(boundary);
  size_t at = 0;
  size_t begin = std::string_view::npos;
  while (at < part->body.size()) {
    const size_t line_begin = at;
    const std::string_view line = NextLine(part->body, &at);
    if (!line.starts_with(delimiter)) continue;
    const std::string_view tail = line.substr(delimiter.size());
    const bool closes = tail.starts_with("--");
    if (!closes && !Trim(tail).empty()) continue;
    if (begin != std::string_view::npos && *parts < Part::kMaxParts) {
      // The line end before a boundary belongs to the boundary.
      std::string_view entity = part->body.substr(begin, line_begin - begin);
      if (entity.ends_with('\n')) entity.remove_suffix(1);
      if (entity.ends_with('\r')) entity.remove_suffix(1);
      ParseInto(&part->children.emplace_back(), entity, digest, depth + 1, parts);
    }
    begin = closes ? std::string_view::npos : at;
    if (closes) return;
  }
  if (begin != std::string_view::npos && *parts < Part::kMaxParts) {
    ParseInto(&part->children.emplace_back(), part->body.substr(begin), digest, depth + 1, parts);
  }
}

void ParseInto(Part* part, std::string_view entity, bool digest, int depth, int* parts) {
  ++*parts;
  part->header = HeaderOf(entity);
  part->body = entity.substr(part->header.size());
  if (digest) {
    part->type = "MESSAGE";
    part->subtype = "RFC822";
  }
  const std::optional<std::string> field = FieldValue(part->header, "Content-Type");
  if (field) {
    ParameterizedValue content = ParseParameterized(*field);
    const size_t slash = content.value.find('/');
    if (slash != std::string::npos && slash > 0 && slash + 1 < content.value.size()) {
      part->type = ToUpperAscii(content.value.substr(0, slash));
      part->subtype = ToUpperAscii(content.value.substr(slash + 1));
      part->parameters = std::move(content.parameters);
    }
  } else if (!digest) {
    part->parameters = {{"CHARSET", "US-ASCII"}};
  }
  if (depth >= Part::kMaxDepth) return;
  if (part->IsMultipart()) {
    for (const auto& [key, value] : part->parameters) {
      if (key != "BOUNDARY" || value.empty()) continue;
      ParseMultipart(part, value, part->subtype == "DIGEST", depth, parts);
      break;
    }
    if (part->children.empty()) {
      // Not what it says it is.
      part->type = "TEXT";
      part->subtype = "PLAIN";
    }
  } else if (part->type == "MESSAGE" && part->subtype == "RFC822") {
    ParseInto(&part->children.emplace_back(), part->body, false, depth + 1, parts);
  }
}

void AppendExtension(std::string* out, const Part& part) {
  const std::optional<std::string> disposition = FieldValue(part.header, "Content-Disposition");
  out->push_back(' ');
  if (disposition) {
    const ParameterizedValue parsed = ParseParameterized(*disposition);
    out->push_back('(');
    AppendValue(out, parsed.value);
    out->push_back(' ');
    AppendParameters(out, parsed.parameters);
    out->push_back(')');
  } else {
    out->append("NIL");
  }
  out->push_back(' ');
  AppendNstring(out, FieldValue(part.header, "Content-Language"));
  out->push_back(' ');
  AppendNstring(out, FieldValue(part.header, "Content-Location"));
}

// The part at a path of numbers (RFC 3501, 6.4.5): a message that is no multipart has itself as
// part 1.
const Part* FindPart(const Part& root, const std::vector<uint32_t>& path) {
  const Part* part = &root;
  bool first = true;
  for (uint32_t number : path) {
    const Part* container = part;
    if (!first && part->IsMessage()) container = &part->children.front();
    if (container->IsMultipart()) {
      if (number == 0 || number > container->children.size()) return nullptr;
      part = &container->children[number - 1];
    } else {
      const bool has_self = first || part->IsMessage();
      if (number != 1 || !has_self) return nullptr;
      part = container;
    }
    first = false;
  }
  return part;
}

std::string FilterFields(std::string_view header, const std::vector<std::string>& fields,
                         bool keep) {
  std::string result;
  ForEachField(header, [&](std::string_view name, std::string_view lines) {
    const bool named = std::any_of(fields.begin(), fields.end(), [name](const std::string& field) {
      return EqualsIgnoreCase(field, name);
    });
    if (named == keep) result.append(lines);
  });
  result.append("\r\n");
  return result;
}

}  // namespace

std::string_view HeaderOf(std::string_view message) {
  size_t at = 0;
  while (at < message.size()) {
    if (IsBlankLine(NextLine(message, &at))) break;
  }
  return message.substr(0, at);
}

void ForEachField(std::string_view header,
                  const std::function<void(std::string_view, std::string_view)>& fn) {
  size_t at = 0;
  while (at < header.size()) {
    const size_t begin = at;
    const std::string_view line = NextLine(header, &at);
    if (IsBlankLine(line)) return;
    while (at < header.size() && (header[at] == ' ' || header[at] == '\t')) NextLine(header, &at);
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    fn(Trim(line.substr(0, colon)), header.substr(begin, at - begin));
  }
}

std::optional<std::string> FieldValue(std::string_view header, std::string_view name) {
  std::optional<std::string> result;
  ForEachField(header, [&](std::string_view found, std::string_view lines) {
    if (result || !EqualsIgnoreCase(found, name)) return;
    std::string value(Trim(lines.substr(lines.find(':') + 1)));
    std::erase_if(value, [](char c) { return c == '\r' || c == '\n'; });
    result = std::move(value);
  });
  return result;
}

Part ParseMessage(std::string_view message) {
  Part part;
  int parts = 0;
  ParseInto(&part, message, false, 0, &parts);
  return part;
}

void AppendEnvelope(std::string* out, std::string_view header) {
  const std::optional<std::string> from = FieldValue(header, "From");
  const auto or_from = [&from](std::optional<std::string> field) {
    return field && !field->empty() ? field : from;
  };
  out->push_back('(');
  AppendNstring(out, FieldValue(header, "Date"));
  out->push_back(' ');
  AppendNstring(out, FieldValue(header, "Subject"));
  out->push_back(' ');
  AppendAddressList(out, from);
  out->push_back(' ');
  AppendAddressList(out, or_from(FieldValue(header, "Sender")));
  out->push_back(' ');
  AppendAddressList(out, or_from(FieldValue(header, "Reply-To")));
  for (const std::string_view name : {"To", "Cc", "Bcc"}) {
    out->push_back(' ');
    AppendAddressList(out, FieldValue(header, name));
  }
  out->push_back(' ');
  AppendNstring(out, FieldValue(header, "In-Reply-To"));
  out->push_back(' ');
  AppendNstring(out, FieldValue(header, "Message-ID"));
  out->push_back(')');
}

void AppendBodyStructure(std::string* out, const Part& part, bool extensions) {
  out->push_back('(');
  if (part.IsMultipart()) {
    for (const Part& child : part.children) AppendBodyStructure(out, child, extensions);
    out->push_back(' ');
    AppendValue(out, part.subtype);
    if (extensions) {
      out->push_back(' ');
      AppendParameters(out, part.parameters);
      AppendExtension(out, part);
    }
    out->push_back(')');
    return;
  }
  AppendValue(out, part.type);
  out->push_back(' ');
  AppendValue(out, part.subtype);
  out->push_back(' ');
  AppendParameters(out, part.parameters);
  out->push_back(' ');
  AppendNstring(out, FieldValue(part.header, "Content-ID"));
  out->push_back(' ');
  AppendNstring(out, FieldValue(part.header, "Content-Description"));
  out->push_back(' ');
  AppendValue(out,
              ToUpperAscii(FieldValue(part.header, "Content-Transfer-Encoding").value_or("7BIT")));
  out->push_back(' ');
  AppendNumber(out, part.body.size());
  if (part.IsMessage()) {
    out->push_back(' ');
    AppendEnvelope(out, part.children.front().header);
    out->push_back(' ');
    AppendBodyStructure(out, part.children.front(), extensions);
  }
  if (part.IsMessage() || part.type == "TEXT") {
    out->push_back(' ');
    AppendNumber(out, CountLines(part.body));
  }
  if (extensions) {
    out->push_back(' ');
    AppendNstring(out, FieldValue(part.header, "Content-MD5"));
    AppendExtension(out, part);
  }
  out->push_back(')');
}

bool Section::Parse(std::string_view text, Section* out) {
  Section section;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    const size_t end = std::min(text.find('.'), text.size());
    const std::optional<uint64_t> number = ParseDigits(text.substr(0, end), UINT32_MAX);
    if (!number || *number == 0 || section.path.size() == Part::kMaxDepth) return false;
    section.path.push_back(static_cast<uint32_t>(*number));
    if (end + 1 == text.size()) return false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  TokenCursor cursor(text);
  if (cursor.AtEnd()) {
    section.text = Text::kAll;
  } else if (cursor.Keyword("HEADER")) {
    section.text = Text::kHeader;
  } else if (cursor.Keyword("TEXT")) {
    section.text = Text::kText;
  } else if (cursor.Keyword("MIME")) {
    if (section.path.empty()) return false;
    section.text = Text::kMime;
  } else if (cursor.Keyword("HEADER.FIELDS") || cursor.Keyword("HEADER.FIELDS.NOT")) {
    section.text = StartsWithIgnoreCase(text, "HEADER.FIELDS.NOT") ? Text::kHeaderFieldsNot
                                                                   : Text::kHeaderFields;
    if (!cursor.Space() || !cursor.Char('(')) return false;
    do {
      StringToken field;
      if (!cursor.Astring(&field)) return false;
      section.fields.push_back(field.ToString());
    } while (cursor.Space());
    if (!cursor.Char(')')) return false;
  } else {
    return false;
  }
  if (!cursor.AtEnd()) return false;
  *out = std::move(section);
  return true;
}

std::optional<std::string_view> ExtractSection(std::string_view message, const Section& section,
                                               std::string* scratch) {
  Part root;
  const Part* part = &root;
  std::string_view header;
  std::string_view body;
  if (section.path.empty()) {
    header = HeaderOf(message);
    body = message.substr(header.size());
    if (section.text == Section::Text::kAll) return message;
  } else {
    root = ParseMessage(message);
    part = FindPart(root, section.path);
    if (part == nullptr) return std::nullopt;
    if (section.text == Section::Text::kAll) return part->body;
    if (section.text == Section::Text::kMime) return part->header;
    // HEADER and TEXT with a path are those of an enclosed message.
    if (!part->IsMessage()) return std::nullopt;
    header = part->children.front().header;
    body = part->children.front().body;
  }
  switch (section.text) {
    case Section::Text::kHeader:
      return header;
    case Section::Text::kText:
      return body;
    default:
      *scratch = FilterFields(header, section.fields, section.text == Section::Text::kHeaderFields);
      return *scratch;
  }
}

std::optional<int64_t> DayOfDateField(std::string_view value) {
  // "Mon, 7 Feb 1994 21:52:25 -0800": the name of the day may be missing.
  const size_t comma = value.find(',');
  if (comma != std::string_view::npos) value.remove_prefix(comma + 1);
  std::vector<std::string_view> words;
  size_t at = 0;
  while (words.size() < 3) {
    at = value.find_first_not_of(" \t", at);
    if (at == std::string_view::npos) return std::nullopt;
    const size_t end = std::min(value.find_first_of(" \t", at), value.size());
    words.push_back(value.substr(at, end - at));
    at = end;
  }
  const std::optional<uint64_t> day = ParseDigits(words[0], 31);
  const std::optional<unsigned> month = MonthNumber(words[1]);
  std::optional<uint64_t> year = ParseDigits(words[2], 9999);
  if (!day || !month || !year) return std::nullopt;
  if (*year < 50) {
    *year += 2000;
  } else if (*year < 1000) {
    *year += 1900;
  }
  return DayNumber(static_cast<int>(*year), *month, static_cast<unsigned>(*day));
}

}  // namespace roost::embedded
