// Appends IMAP syntax onto a string: numbers, quoted strings and literals, sets.
//
// No state; every function appends and leaves what was there. Nothing is ever written that a value
// could use to break out of its place: a value with CR, LF, NUL or bytes above 127 never comes in
// quotes.
#ifndef ROOST_PROTO_IMAP_WRITER_H_
#define ROOST_PROTO_IMAP_WRITER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "proto/imap/uid_set.h"

namespace roost {

void AppendNumber(std::string* out, uint64_t number);

enum class StringForm : uint8_t { kAtom, kQuoted, kLiteral, kImpossible };

// The simplest form that carries `value` as an astring. kImpossible: it has a NUL, which only
// literal8 carries. Words that mean something else (NIL, "") come as quoted; more than 1000 bytes
// as literal.
StringForm AstringFormOf(std::string_view value);

// How a literal is announced: {n} with a wait for `+` (responses need no wait), or {n+}.
enum class LiteralStyle : uint8_t { kSync, kNonSync };

// Appends `value` as atom, quoted or literal. False, and nothing appended, when it is kImpossible.
bool AppendAstring(std::string* out, std::string_view value, LiteralStyle style);
// As AppendAstring, never as atom: for `string` and `nstring` places.
bool AppendString(std::string* out, std::string_view value, LiteralStyle style);
// Precondition: AstringFormOf(value) is kAtom or kQuoted.
void AppendQuoted(std::string* out, std::string_view value);
// "{5}\r\nhello" or "{5+}\r\nhello".
void AppendLiteral(std::string* out, std::string_view value, LiteralStyle style);

// Text for a status response, made harmless: CR, LF, NUL and bytes outside of ASCII become "?", at
// most `max` bytes.
void AppendText(std::string* out, std::string_view text, size_t max = 400);

// "1:5,9". Nothing for an empty set.
void AppendUidSet(std::string* out, const UidSet& set);

// As AppendUidSet for the UIDs >= from, but stops before more than `max_bytes` were appended (at
// least one range is). Returns the UID to go on from; 0: all of it was written.
uint32_t AppendUidSetPart(std::string* out, const UidSet& set, uint32_t from, size_t max_bytes);

std::string FormatUidSet(const UidSet& set);

}  // namespace roost

#endif  // ROOST_PROTO_IMAP_WRITER_H_
