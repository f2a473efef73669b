// What a client believes of its selected mailbox: strictly what it was sent, and whether that was
// possible at all.
//
// Every call returns what is wrong with what was sent, in words; empty: nothing.
#ifndef ROOST_CORE_SIM_BELIEF_H_
#define ROOST_CORE_SIM_BELIEF_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/sim/imap_text.h"
#include "core/sim/model_mailbox.h"

namespace roost {

class Belief {
 public:
  struct Entry {
    uint32_t uid = 0;                 // 0: not learned yet
    std::optional<ModelFlags> flags;  // without \Recent
  };
  // What a FETCH named.
  struct Fetched {
    uint32_t number = 0;
    bool uid = false, flags = false;
    bool recent = false;  // \Recent is among the flags
    uint64_t modseq = 0;  // 0: none
    std::optional<std::string> body;
  };

  void Clear();
  // SELECT under way: what EXISTS says counts, smaller or not.
  void BeginSelect(std::string name, bool by_examine);

  std::string Exists(uint32_t n);
  std::string Expunge(uint32_t n);
  std::string Vanished(std::string_view set);
  // tokens: behind "* n FETCH".
  std::string Fetch(uint32_t n, const std::vector<TextToken>& tokens, Fetched* fetched);
  // All UIDs of the mailbox, as answered to UID SEARCH ALL.
  std::string Listed(const std::vector<uint32_t>& uids);
  // tokens: behind "* FLAGS".
  void Keywords(const std::vector<TextToken>& tokens);
  // "[PERMANENTFLAGS (…)]", "[READ-ONLY]" and the like.
  void Code(std::string_view code);
  // No flag may be permanent where nothing may be changed, some otherwise. To be asked when what
  // belongs together has been told.
  std::string CheckPermanentFlags() const;
  // "user=… mailbox=… validity=… uid=…" is what this message must say.
  std::string CheckBody(const std::string& user, uint32_t n, std::string_view body) const;

  // What separates the belief from the truth; empty: nothing. What it has not learned it does not
  // believe.
  std::string CompareWith(const ModelMailbox& truth) const;

  uint32_t size() const { return static_cast<uint32_t>(entries.size()); }
  uint32_t unknown_uids() const;
  bool Has(uint32_t uid) const;
  uint32_t last_uid() const;
  // UIDs of these numbers; empty when one is not known.
  std::vector<uint32_t> UidsOf(const std::vector<uint32_t>& numbers) const;
  bool may_write() const { return !examine && !read_only; }

  std::string mailbox;  // empty: none selected
  bool examine = false;
  bool read_only = false;  // whatever it was opened by
  bool no_modseq = false;
  bool uid_not_sticky = false;
  bool nothing_permanent = false;
  bool selecting = false;
  uint32_t uid_validity = 0;
  std::vector<Entry> entries;
  std::set<std::string> keywords;

 private:
  std::string LearnUid(uint32_t n, uint32_t uid);

  std::set<uint32_t> gone_;  // UIDs of this selection that were told to be gone, which is for ever
};

}  // namespace roost

#endif  // ROOST_CORE_SIM_BELIEF_H_
