#include "tools/store/options.h"

#include <fstream>
#include <iterator>
#include <optional>

#include "proto/imap/tokens.h"
#include "proto/tls/self_signed.h"
#include "tools/store/text.h"

namespace roost::embedded {
namespace {

constexpr uint64_t kNsPerMillisecond = 1'000'000;
constexpr uint32_t kMaxThreads = 256;
constexpr uint32_t kMaxPreload = 10'000'000;

std::optional<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// Applies one flag; false with an error when its value is wrong.
class Applier {
 public:
  Applier(CommandLine* out, std::string* error) : out_(out), error_(error) {}

  bool Apply(std::string_view flag, const std::string& value) {
    ServerOptions& server = out_->server;
    if (flag == "--listen") return Listen(value, Protocol::kImap);
    if (flag == "--lmtp") return Listen(value, Protocol::kLmtp);
    if (flag == "--control") return Listen(value, Protocol::kControl);
    if (flag == "--password") return Set(&server.credentials.password, value);
    if (flag == "--master-user") return Set(&server.credentials.master_user, value);
    if (flag == "--master-password") return Set(&server.credentials.master_password, value);
    if (flag == "--users-from") return Users(value);
    if (flag == "--capability-off") return CapabilityOff(value);
    if (flag == "--notify-delay-ms") {
      return Number(value, 3'600'000, &server.notify_delay_ns, kNsPerMillisecond);
    }
    if (flag == "--max-message-bytes") {
      return Number(value, UINT32_MAX, &server.session.max_message_bytes);
    }
    if (flag == "--threads") return Number(value, kMaxThreads, &out_->threads);
    if (flag == "--sockets-per-thread") return Number(value, 1 << 22, &out_->sockets_per_thread);
    if (flag == "--descriptors") return Descriptors(value);
    if (flag == "--preload") return Preload(value);
    if (flag == "--inboxes-from") return Inboxes(value);
    if (flag == "--name") return Set(&server.session.name, value);
    if (flag == "--tls-cert") return Set(&out_->tls_cert_file, value);
    if (flag == "--tls-key") return Set(&out_->tls_key_file, value);
    return Fail("unknown option " + std::string(flag) + "; try --help");
  }

 private:
  bool Fail(std::string text) {
    *error_ = std::move(text);
    return false;
  }

  template <typename Text>
  bool Set(Text* to, const std::string& value) {
    *to = value;
    return true;
  }

  template <typename Integer>
  bool Number(const std::string& value, uint64_t max, Integer* to, uint64_t unit = 1) {
    const std::optional<uint64_t> number = ParseDigits(value, max);
    if (!number) {
      return Fail("\"" + value + "\" is not a number from 0 to " + std::to_string(max));
    }
    *to = static_cast<Integer>(*number * unit);
    return true;
  }

  bool Listen(const std::string& value, Protocol protocol) {
    ListenerSpec spec;
    if (!ParseListener(value, protocol, &spec)) {
      return Fail("\"" + value + "\" is not an address to listen on, like 127.0.0.1:143, " +
                  "tls:[::1]:993 or starttls:127.0.0.1:143");
    }
    out_->server.listeners.push_back(spec);
    return true;
  }

  bool Users(const std::string& path) {
    const std::optional<std::string> text = ReadFile(path);
    if (!text) return Fail("cannot read " + path);
    if (ParseUsers(*text, &out_->server.credentials, error_)) return true;
    *error_ = path + ": " + *error_;
    return false;
  }

  bool CapabilityOff(std::string_view names) {
    while (!names.empty()) {
      const size_t comma = std::min(names.find(','), names.size());
      const std::string_view name = Trim(names.substr(0, comma));
      names.remove_prefix(std::min(comma + 1, names.size()));
      if (!out_->server.session.features.Remove(name)) {
        return Fail("\"" + std::string(name) + "\" is no capability that can be switched off");
      }
    }
    return true;
  }

  bool Descriptors(const std::string& value) {
    if (value == "auto") return Set(&out_->descriptors, DescriptorMode::kAuto);
    if (value == "ordinary") return Set(&out_->descriptors, DescriptorMode::kOrdinary);
    if (value == "direct") return Set(&out_->descriptors, DescriptorMode::kDirect);
    return Fail("descriptors are auto, ordinary or direct");
  }
  bool Set(DescriptorMode* to, DescriptorMode mode) {
    *to = mode;
    return true;
  }

  bool Preload(const std::string& value) {
    const size_t colon = value.rfind(':');
    const auto count = colon == std::string::npos
                           ? std::nullopt
                           : ParseDigits(value.substr(colon + 1), kMaxPreload);
    if (!count || colon == 0) return Fail("--preload wants USER:COUNT, not \"" + value + "\"");
    out_->preload.emplace_back(value.substr(0, colon), static_cast<uint32_t>(*count));
    return true;
  }

  bool Inboxes(const std::string& path) {
    const std::optional<std::string> text = ReadFile(path);
    if (!text) return Fail("cannot read " + path);
    if (ParseInboxes(*text, &out_->inboxes, error_)) return true;
    *error_ = path + ": " + *error_;
    return false;
  }

  CommandLine* const out_;
  std::string* const error_;
};

bool LoadTls(CommandLine* out, std::string* error) {
  bool wanted = false;
  for (const ListenerSpec& spec : out->server.listeners) wanted |= spec.tls != TlsUse::kNone;
  if (!wanted) return true;
  TlsServerOptions options;
  TlsCertificate certificate;
  if (out->tls_cert_file.empty()) {
    PemPair made = MakeSelfSigned({"localhost", "127.0.0.1", "::1"});
    certificate.chain_pem = std::move(made.cert_pem);
    certificate.key_pem = std::move(made.key_pem);
  } else {
    certificate.chain_file = out->tls_cert_file;
    certificate.key_file = out->tls_key_file.empty() ? out->tls_cert_file : out->tls_key_file;
  }
  options.certificates.push_back(std::move(certificate));
  out->server.tls = TlsServerContext::Create(options, error);
  return out->server.tls != nullptr;
}

}  // namespace

std::string_view HelpText() {
  return R"(roost-store: an IMAP and LMTP server that keeps all mail in memory.

It is made for demonstrations, tests and load tests of Roost. It is not a place for
mail: when it ends, everything in it is gone.

  --listen ADDR          IMAP on ADDR; may be repeated. ADDR is IP:PORT, with "tls:"
                         before it for TLS from the first byte, "starttls:" to offer
                         STARTTLS. Port 0: the kernel chooses (see --print-ready).
  --lmtp ADDR            mail is delivered here (LMTP), to the user of the recipient's
                         whole address if there is one, else of its local part
  --control ADDR         answers the line "counts" with sessions by user and commands
                         by name, and an empty line
  --password P           the password of every user; without it any is accepted
  --users-from FILE      lines of USER:PASSWORD; only these users exist then
  --master-user NAME, --master-password P
                         may log in as anybody: SASL PLAIN's authzid, or USER*NAME
  --capability-off LIST  names from CAPABILITY, separated by commas, not to offer: IDLE,
                         CONDSTORE, QRESYNC, ESEARCH, UIDPLUS, MOVE, LITERAL+, SASL-IR,
                         ENABLE, ID, NAMESPACE, UNSELECT, STATUS=SIZE, NOTIFY
  --notify-delay-ms N    sessions in IDLE, or with NOTIFY, hear of changes N ms later
  --preload USER:COUNT   puts COUNT messages into USER's INBOX; may be repeated
  --inboxes-from FILE    INBOXes begin as FILE says, as if the store had kept them. Lines:
                         "inbox USER UIDVALIDITY UIDNEXT HIGHESTMODSEQ", and below it
                         "UID MODSEQ FLAG FLAG..." of each message
  --max-message-bytes N  larger messages are refused (64 MiB)
  --tls-cert FILE, --tls-key FILE
                         PEM; without them a self-signed certificate is made
  --threads N            threads, each with users of its own (1)
  --sockets-per-thread N connections each of them can hold (16384)
  --descriptors MODE     auto, ordinary or direct (see io_uring)
  --name NAME            what it calls itself (roost-store)
  --print-ready          prints "ready" and the addresses when it accepts connections
  --version              which Roost it is of
  --help, -h             this

SIGUSR1 prints the counts, SIGTERM and SIGINT end it.
)";
}

bool ParseListener(std::string_view text, Protocol protocol, ListenerSpec* out) {
  out->protocol = protocol;
  out->tls = TlsUse::kNone;
  if (text.starts_with("tls:")) {
    out->tls = TlsUse::kImplicit;
    text.remove_prefix(4);
  } else if (text.starts_with("starttls:")) {
    if (protocol != Protocol::kImap) return false;
    out->tls = TlsUse::kStartTls;
    text.remove_prefix(9);
  }
  return Address::Parse(text, &out->address);
}

bool ParseUsers(std::string_view text, Credentials* out, std::string* error) {
  for (size_t line_number = 1; !text.empty(); ++line_number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = Trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) {
      *error = "line " + std::to_string(line_number) + " is not USER:PASSWORD";
      return false;
    }
    out->users.insert_or_assign(std::string(line.substr(0, colon)),
                                std::string(line.substr(colon + 1)));
  }
  return true;
}

bool ParseCommandLine(const std::vector<std::string>& arguments, CommandLine* out,
                      std::string* error) {
  Applier applier(out, error);
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    out->help = argument == "--help" || argument == "-h";
    out->version = argument == "--version";
    if (out->help || out->version) return true;
    if (argument == "--print-ready") {
      out->print_ready = true;
      continue;
    }
    const size_t equals = argument.find('=');
    const std::string flag = argument.substr(0, equals);
    if (equals != std::string::npos) {
      if (!applier.Apply(flag, argument.substr(equals + 1))) return false;
    } else if (i + 1 < arguments.size()) {
      if (!applier.Apply(flag, arguments[++i])) return false;
    } else {
      *error = flag + " wants a value, or is unknown; try --help";
      return false;
    }
  }
  if (out->server.listeners.empty()) {
    *error = "nothing to listen on: give --listen ADDR (try --help)";
    return false;
  }
  if (out->threads == 0 || out->sockets_per_thread == 0) {
    *error = "there must be at least one thread and one socket";
    return false;
  }
  return LoadTls(out, error);
}

}  // namespace roost::embedded
