#include "proto/imap/extensions.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "proto/ascii.h"
#include "proto/imap/tokens.h"

namespace roost {
namespace {

struct Extension {
  CommandKind kind;
  std::string_view capability;  // or one that begins so
  bool rev2 = false;            // IMAP4rev2 has it without
};

constexpr Extension kExtensions[] = {
    {CommandKind::kEnable, "ENABLE", true},
    {CommandKind::kIdle, "IDLE", true},
    {CommandKind::kNamespace, "NAMESPACE", true},
    {CommandKind::kUnselect, "UNSELECT", true},
    {CommandKind::kMove, "MOVE", true},
    {CommandKind::kSort, "SORT"},
    {CommandKind::kThread, "THREAD="},
    {CommandKind::kEsearch, "MULTISEARCH"},
    {CommandKind::kReplace, "REPLACE"},
    {CommandKind::kXlist, "XLIST"},
    {CommandKind::kRlist, "MAILBOX-REFERRALS"},
    {CommandKind::kRlsub, "MAILBOX-REFERRALS"},
    {CommandKind::kId, "ID"},
    {CommandKind::kGetQuota, "QUOTA"},
    {CommandKind::kGetQuotaRoot, "QUOTA"},
    {CommandKind::kSetQuota, "QUOTA"},
    {CommandKind::kGetAcl, "ACL"},
    {CommandKind::kSetAcl, "ACL"},
    {CommandKind::kDeleteAcl, "ACL"},
    {CommandKind::kListRights, "ACL"},
    {CommandKind::kMyRights, "ACL"},
    {CommandKind::kGetMetadata, "METADATA"},
    {CommandKind::kSetMetadata, "METADATA"},
    {CommandKind::kGetAnnotation, "ANNOTATEMORE"},
    {CommandKind::kSetAnnotation, "ANNOTATEMORE"},
    {CommandKind::kCompress, "COMPRESS="},
    {CommandKind::kNotify, "NOTIFY"},
    {CommandKind::kUnauthenticate, "UNAUTHENTICATE"},
    {CommandKind::kProxyAuth, "PROXYAUTH"},
    {CommandKind::kLanguage, "LANGUAGE"},
    {CommandKind::kComparator, "I18NLEVEL=2"},
    {CommandKind::kCancelUpdate, "CONTEXT="},
    {CommandKind::kUrlFetch, "URLAUTH"},
    {CommandKind::kGenUrl, "URLAUTH"},
    {CommandKind::kResetKey, "URLAUTH"},
    {CommandKind::kConvert, "CONVERT"},
    {CommandKind::kConversions, "CONVERT"},
    {CommandKind::kGetJmapAccess, "JMAPACCESS"},
};

}  // namespace

bool IsOffered(const Command& command, const CapabilitySet& capabilities) {
  if (command.kind == CommandKind::kExpunge && command.uid) {
    return capabilities.Has("IMAP4rev2") || capabilities.Has("UIDPLUS");
  }
  return IsOffered(command.kind, capabilities);
}

bool IsOffered(CommandKind kind, const CapabilitySet& capabilities) {
  if (kind == CommandKind::kMalformed || kind == CommandKind::kUnknown) return false;
  const Extension* extension = std::find_if(std::begin(kExtensions), std::end(kExtensions),
                                            [&](const Extension& e) { return e.kind == kind; });
  if (extension == std::end(kExtensions)) return true;
  return (extension->rev2 && capabilities.Has("IMAP4rev2")) ||
         capabilities.HasPrefix(extension->capability);
}

LiteralsOf::LiteralsOf(const Command& command) : kind_(command.kind) {
  TokenCursor cursor(command.args);
  std::string_view replaced;
  if (kind_ == CommandKind::kReplace && !(cursor.Loose(&replaced) && cursor.Space())) return;
  names_mailbox_ = cursor.Rest().starts_with('{') || cursor.Rest().starts_with("~{");
}

bool LiteralsOf::NextIsOffered(std::string_view line, const LiteralMark& literal,
                               const CapabilitySet& capabilities) {
  if (kind_ != CommandKind::kAppend && kind_ != CommandKind::kReplace) {
    return !literal.binary || kind_ == CommandKind::kSetMetadata;
  }
  if (std::exchange(names_mailbox_, false)) return !literal.binary;
  const std::string before = ToUpperAscii(line.substr(0, line.rfind(literal.binary ? "~{" : "{")));
  const bool another = std::exchange(message_, true);
  catenates_ = catenates_ || before.find(" CATENATE (") != before.npos;
  if (catenates_ && !capabilities.Has("CATENATE")) return false;
  if (another && !catenates_ &&
      !(kind_ == CommandKind::kAppend && capabilities.Has("MULTIAPPEND"))) {
    return false;
  }
  if (before.ends_with("UTF8 (")) {
    return capabilities.Has("UTF8=ACCEPT") || capabilities.Has("UTF8=ONLY");
  }
  return !literal.binary || capabilities.Has("BINARY");
}

}  // namespace roost
