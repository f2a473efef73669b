// What is asked for of messages, and a FETCH in progress: of which of them, and how far it has
// come. It pauses when output is full.
#ifndef ROOST_TOOLS_STORE_FETCH_JOB_H_
#define ROOST_TOOLS_STORE_FETCH_JOB_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proto/imap/tokens.h"
#include "tools/store/mime.h"

namespace roost::embedded {

struct FetchItem {
  enum class Kind : uint8_t {
    kUid,
    kFlags,
    kInternalDate,
    kSize,
    kModSeq,
    kEnvelope,
    kBody,
    kBodyStructure,
    kSection,
  };
  Kind kind = Kind::kFlags;
  std::string name;  // kSection: how the answer names it, "BODY[1.TEXT]<0>"
  Section section;
  bool sets_seen = false;
  std::optional<std::pair<uint32_t, uint32_t>> partial;  // offset, length
};

struct FetchItems {
  std::vector<FetchItem> items;  // without UID, which goes first
  bool uid = false;
  bool has_flags = false;
  bool has_modseq = false;
  bool sets_seen = false;
};

// "FLAGS", "FAST", "(UID ENVELOPE BODY.PEEK[1]<0.100>)"
bool ReadFetchItems(TokenCursor* cursor, FetchItems* out);

struct FetchJob : FetchItems {
  std::vector<uint32_t> numbers;  // positions in the session's view, which stands still meanwhile
  size_t next = 0;
  bool missed = false;  // a message had gone already
};

}  // namespace roost::embedded

#endif  // ROOST_TOOLS_STORE_FETCH_JOB_H_
