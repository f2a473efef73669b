#include "tools/load/options.h"

#include <algorithm>
#include <charconv>
#include <concepts>

#include "proto/ascii.h"

namespace roost::load {
namespace {

constexpr uint32_t kMaxClients = 4'000'000;
constexpr uint32_t kMaxThreads = 256;
constexpr uint32_t kMaxSeconds = 7 * 86'400;
constexpr uint32_t kMaxCouriers = 128;
constexpr uint32_t kMaxRetries = 1000;
constexpr uint32_t kMaxStorms = 1000;
// Of clients that return, if nothing else is said.
constexpr uint32_t kUsualRetries = 5;
// Beyond the time after which a client looks at the latest.
constexpr uint32_t kPatienceS = 5;
// Of connections to the store, in each thread. One by LMTP takes any number of messages; APPEND is
// one login for each.
constexpr uint32_t kUsualLmtpCouriers = 1, kUsualAppendCouriers = 16;

class Applier {
 public:
  Applier(Options* out, std::string* error) : out_(out), error_(error) {}

  // Flags without a value.
  bool Switch(std::string_view flag) {
    if (flag == "--help" || flag == "-h") return out_->help = true;
    if (flag == "--version") return out_->version = true;
    if (flag == "--return-lost") return out_->return_lost = true;
    if (flag == "--progress") return out_->progress = true;
    if (flag == "--show") return out_->show = true;
    if (flag == "--handshake-only") return out_->handshake_only = true;
    if (flag == "--deliver-on-line") return out_->deliver_on_line = true;
    if (flag == "--i-may-load-this-host") return may_load_ = true;
    return false;
  }

  bool Apply(std::string_view flag, const std::string& value) {
    if (flag == "--server") return Ip(value, &out_->server);
    if (flag == "--tls") return Tls(value);
    if (flag == "--server-name") return Text(value, &out_->server_name);
    if (flag == "--source") return Source(value);
    if (flag == "--ca") return Text(value, &out_->ca_file);
    if (flag == "--clients") return Number(value, 0, kMaxClients, &out_->clients);
    if (flag == "--clients-per-user") {
      return Number(value, 1, kMaxClients, &out_->clients_per_user);
    }
    if (flag == "--users") return Text(value, &out_->users);
    if (flag == "--first-user") return Number(value, 0, kMaxClients, &out_->first_user);
    if (flag == "--password") return Text(value, &out_->password);
    if (flag == "--mailbox") return Text(value, &out_->mailbox);
    if (flag == "--threads") return Number(value, 1, kMaxThreads, &out_->threads);
    if (flag == "--rate") return Rate(value, &out_->rate);
    if (flag == "--entering") return Number(value, 1, kMaxClients, &out_->entering);
    if (flag == "--enter-timeout") return Number(value, 1, kMaxSeconds, &out_->enter_timeout_s);
    if (flag == "--ramp-limit") return Number(value, 1, kMaxSeconds, &out_->ramp_limit_s);
    if (flag == "--re-idle") return Number(value, 1, kMaxSeconds, &out_->re_idle_s);
    if (flag == "--mix") return Mix(value);
    if (flag == "--poll-interval") return Number(value, 1, kMaxSeconds, &out_->poll_s);
    if (flag == "--slow-pause") return Number(value, 1, kMaxSeconds, &out_->slow_pause_s);
    if (flag == "--stay") return Number(value, 1, kMaxSeconds, &out_->stay_s);
    if (flag == "--away") return Number(value, 0, kMaxSeconds, &out_->away_s);
    if (flag == "--retries") return Number(value, 0, kMaxRetries, &out_->retries);
    if (flag == "--retry-ms") return Number(value, 1, kMaxSeconds, &out_->retry_ms);
    if (flag == "--retry-longest") return Number(value, 1, kMaxSeconds, &out_->retry_longest_s);
    if (flag == "--storms") return Number(value, 0, kMaxStorms, &out_->storms);
    if (flag == "--store") return Store(value, false);
    if (flag == "--lmtp") return Store(value, true);
    if (flag == "--store-password") return Text(value, &out_->store_password);
    if (flag == "--deliver") return Number(value, 0, UINT32_MAX, &out_->deliver);
    if (flag == "--deliver-rate") return Rate(value, &out_->deliver_rate);
    if (flag == "--couriers") return Number(value, 1, kMaxCouriers, &out_->couriers);
    if (flag == "--bare") return Bare(value);
    if (flag == "--watch-pid") return WatchPid(value);
    if (flag == "--bare-run") return Text(value, &out_->bare_run_file);
    if (flag == "--settle") return Number(value, 0, kMaxSeconds, &out_->settle_s);
    if (flag == "--wait") return Number(value, 0, kMaxSeconds, &out_->wait_s);
    if (flag == "--hold") return Number(value, 0, kMaxSeconds, &out_->hold_s);
    if (flag == "--resume") return Number(value, 0, 100, &out_->resume);
    if (flag == "--html") return Text(value, &out_->html_file);
    if (flag == "--json") return Text(value, &out_->json_file);
    return Fail("unknown option " + std::string(flag) + "; try --help");
  }

  bool Check() {
    if (out_->help || out_->version) return true;
    if (out_->bare != Options::Bare::kNone) {
      if (out_->server.family != 0) return Fail("a --bare run has a server of its own");
      out_->tls = Options::Tls::kNone;
    } else if (out_->server.family == 0) {
      return Fail("give --server ADDR (try --help)");
    }
    const bool mail = out_->deliver > 0 || out_->deliver_on_line;
    if (mail && out_->store.family == 0) {
      return Fail("to deliver mail give --store ADDR (APPEND) or --lmtp ADDR");
    }
    if (out_->resume > 0 && out_->tls == Options::Tls::kNone) {
      return Fail("--resume is for TLS sessions");
    }
    if (mail && out_->bare != Options::Bare::kNone) return Fail("a --bare run has no mail");
    if (out_->handshake_only && (mail || out_->tls != Options::Tls::kImplicit)) {
      return Fail("--handshake-only is for --tls implicit, without mail");
    }
    if (mail && !EqualsIgnoreCase(out_->mailbox, "INBOX")) {
      return Fail("mail is delivered to INBOX, of which clients with --mailbox " + out_->mailbox +
                  " hear nothing");
    }
    if (mail && out_->clients == 0) return Fail("mail needs clients that wait for it");
    for (const Address& address : {out_->server, out_->store}) {
      if (address.family == 0 || may_load_ || IsLoopback(address)) continue;
      return Fail(address.HostString() + " is not this machine. If you may put load on it, say " +
                  "--i-may-load-this-host");
    }
    for (const Address& source : out_->sources) {
      if (source.family != out_->server.family) {
        return Fail("from " + source.HostString() + " nobody can connect to " +
                    out_->server.ToString());
      }
    }
    if (out_->users.find("%d") == std::string::npos) {
      out_->clients_per_user = std::max(1u, out_->clients);
    }
    if (Share(Habit::kSlow) > 0 && out_->slow_pause_s >= out_->enter_timeout_s) {
      return Fail("--slow-pause must be shorter than --enter-timeout, which is for answers too");
    }
    // Those who look only now and then are told no earlier.
    if (Share(Habit::kPoll) > 0) out_->wait_s = std::max(out_->wait_s, out_->poll_s + kPatienceS);
    if (Share(Habit::kSlow) > 0) {
      out_->wait_s = std::max(out_->wait_s, out_->slow_pause_s + kPatienceS);
    }
    const bool returns = Share(Habit::kReconnect) > 0 || out_->storms > 0 || out_->return_lost;
    if (returns && out_->retries == 0) out_->retries = kUsualRetries;
    // A thread without a user would be idle.
    out_->threads = std::clamp(UserCount(*out_), 1u, out_->threads);
    if (out_->couriers == 0) {
      out_->couriers = out_->lmtp ? kUsualLmtpCouriers : kUsualAppendCouriers;
    }
    if (out_->store_password.empty()) out_->store_password = out_->password;
    return true;
  }

 private:
  bool Fail(std::string text) {
    *error_ = std::move(text);
    return false;
  }

  bool Text(const std::string& value, std::string* to) {
    *to = value;
    return true;
  }

  template <std::unsigned_integral Integer>
  bool Number(std::string_view value, uint64_t min, uint64_t max, Integer* to) {
    uint64_t number = 0;
    const char* end = value.data() + value.size();
    const auto [rest, problem] = std::from_chars(value.data(), end, number);
    if (problem != std::errc() || rest != end || number < min || number > max) {
      return Fail("\"" + std::string(value) + "\" is not a number from " + std::to_string(min) +
                  " to " + std::to_string(max));
    }
    *to = static_cast<Integer>(number);
    return true;
  }

  bool Rate(std::string_view value, uint32_t* to) {
    if (value.ends_with("/s")) value.remove_suffix(2);
    return Number(value, 0, 10'000'000, to);
  }

  bool Ip(const std::string& value, Address* to) {
    if (Address::Parse(value, to) && to->port != 0) return true;
    return Fail("\"" + value + "\" is not an address like 127.0.0.1:993 or [::1]:993");
  }

  bool Source(const std::string& value) {
    const bool six = value.find(':') != std::string::npos;
    Address source;
    if (!Address::Parse((six ? "[" + value + "]" : value) + ":1", &source)) {
      return Fail("\"" + value + "\" is not an address like 192.0.2.7 or 2001:db8::7");
    }
    source.port = 0;
    out_->sources.push_back(source);
    return true;
  }

  bool Store(const std::string& value, bool lmtp) {
    out_->lmtp = lmtp;
    return Ip(value, &out_->store);
  }

  uint32_t Share(Habit habit) const { return out_->mix[static_cast<size_t>(habit)]; }

  // "idle=80,poll=20"
  bool Mix(std::string_view value) {
    out_->mix = {};
    uint32_t sum = 0;
    while (!value.empty()) {
      const size_t end = std::min(value.find(','), value.size());
      const std::string_view part = value.substr(0, end);
      value.remove_prefix(std::min(end + 1, value.size()));
      const size_t equals = std::min(part.find('='), part.size());
      size_t habit = 0;
      while (habit < kHabits && part.substr(0, equals) != kHabitNames[habit]) ++habit;
      if (habit == kHabits || equals == part.size()) {
        return Fail("--mix is a list like idle=80,poll=10,fetch=5,slow=3,reconnect=2");
      }
      if (!Number(part.substr(equals + 1), 0, 100, &out_->mix[habit])) return false;
      sum += out_->mix[habit];
    }
    return sum == 100 || Fail("the parts of --mix are percents and must make 100");
  }

  bool WatchPid(std::string_view value) {
    uint32_t pid = 0;
    if (!Number(value, 1, INT32_MAX, &pid)) return false;
    out_->watch_pids.push_back(static_cast<int>(pid));
    return true;
  }

  bool Bare(std::string_view value) {
    if (value == "poll") return out_->bare = Options::Bare::kPoll, true;
    if (value == "receive") return out_->bare = Options::Bare::kReceive, true;
    return Fail("--bare is poll or receive");
  }

  bool Tls(std::string_view value) {
    if (value == "implicit") return out_->tls = Options::Tls::kImplicit, true;
    if (value == "starttls") return out_->tls = Options::Tls::kStartTls, true;
    if (value == "none") return out_->tls = Options::Tls::kNone, true;
    return Fail("--tls is implicit, starttls or none");
  }

  Options* const out_;
  std::string* const error_;
  bool may_load_ = false;
};

}  // namespace

std::string_view HelpText() {
  return R"(roost-load: many idle IMAP clients, and whether each is told of each message once.

Opens --clients connections to any IMAP server; each logs in, selects a mailbox and idles.
Then messages are delivered past that server, straight to the store behind it, and every
idle client of the message's user must be told of it exactly once.

  --scenario FILE          options from a YAML file, by their names; what stands on the command
                           line goes before it. See tools/load/scenarios.

  --server ADDR            the server under load, IP:PORT
  --tls MODE               implicit (the default), starttls or none
  --source IP              connect from this address of the machine; may be given several times, each
                           is good for some 28,000 clients (127.10.0.1 and so on to 127.0.0.0/8,
                           else what the kernel chooses)
  --server-name NAME       for SNI, and for the certificate with --ca
  --ca FILE                the certificate must be signed by one in FILE; without it any will do

  --handshake-only         clients do not log in: they are there when their handshake is done, and
                           stay silent for as long as the server lets them

  --clients N              how many clients (1)
  --clients-per-user K     how many of them are of one user (1)
  --users PATTERN          names; %d is the number of the user (user%d)
  --first-user N           the number of the first (1)
  --password P             of every user (password)
  --mailbox NAME           INBOX is the default; mail is delivered there only

  --rate N/s               how many connections are begun each second; 0: as fast as it goes (0)
  --entering N             how many may be on their way to IDLE at once, for each thread (256)
  --enter-timeout SECONDS  a client that is not idle by then has failed (60)
  --ramp-limit SECONDS     what has not begun by then has failed (3600)
  --re-idle SECONDS        DONE and IDLE again after that time (1500)
  --threads N              each with its own users and its own io_uring (1)

  --mix HABITS             what clients do, in percent, like
                           idle=80,poll=10,fetch=5,slow=3,reconnect=2 (idle=100):
                           idle: IDLE; poll: NOOP now and then; fetch: IDLE, and when told of a
                           message fetch flags and envelope; slow: IDLE, but read only half of
                           the time; reconnect: IDLE, cut the connection after a time, come back
  --poll-interval SECONDS  between two NOOPs (60)
  --slow-pause SECONDS     not reading for so long, then reading for so long (10)
  --stay SECONDS           until one that reconnects cuts its connection (60)
  --away SECONDS           until it comes back (1)
  --storms N               when all are idle, all cut their connections at once and come back at
                           once, N times (0)
  --return-lost            idle clients that the server cuts off come back
  --resume PERCENT         so many handshakes begin with a session ticket; one ticket, fetched
                           before the run, serves them all (0)
  --retries N              a connection that fails is tried again so often (0; 5 where clients return),
  --retry-ms MS            after this time, doubled each time (1000),
  --retry-longest SECONDS  but no longer than that (10), less up to a half, to spread them

  --lmtp ADDR              deliver by LMTP, or
  --store ADDR             deliver by APPEND on plain sessions, as the user,
  --store-password P       with this password (that of --password)
  --deliver M              how many messages, one user after the other (0)
  --deliver-rate R         how many a second; 0: as fast as they are taken (0). With a rate, the
                           time from when a message was due is told as well
  --couriers N             connections to the store, for each thread (1 by LMTP, 16 by APPEND)
  --deliver-on-line        one message for each line on standard input, until it ends
  --wait SECONDS           how long events may take after the last delivery (10)
  --hold SECONDS           stay idle for so long after that; late doubles are found too (1)

  --watch-pid PID          what this process uses, before the clients come, when all are idle and
                           at the end: memory (PSS) and CPU; may be given several times
  --bare poll|receive      no server: plain connections to a listener of its own that holds the
                           sockets, with a poll or with a receive armed; what the kernel needs for
                           a socket
  --bare-run FILE          the --json of a run with --bare poll and as many clients: what the
                           clients' own end costs the kernel is taken off
  --settle SECONDS         between the last client's IDLE and the look at memory (1)

  --progress               a line every ten seconds where standard error is no terminal; on a
                           terminal there is always one, which is kept up to date
  --show                   print every line that an idle client is told
  --html FILE              write it there as a page with plots, which needs nothing else
  --json FILE              write the result there as JSON as well
  --i-may-load-this-host   needed for any target outside of 127.0.0.0/8 and ::1
  --version                which Roost it is of
  --help, -h               this

Interrupting it ends it early; what was measured is printed all the same.

Exit status
  0  all came, and all went as it must; interrupted while all were there: so far
  1  a connection failed, was lost or had not been made when it was interrupted; an event was
     lost, told twice or of nothing; a delivery failed or a command was refused; or it could not
     begin, or a result could not be written
  2  the command line or a scenario is wrong; nothing was done
)";
}

bool IsSwitch(std::string_view flag) {
  Options nobodys;
  std::string error;
  return Applier(&nobodys, &error).Switch(flag);
}

std::vector<std::string> WithoutSecrets(const std::vector<std::string>& arguments) {
  std::vector<std::string> shown;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string argument = arguments[i];
    if (!IsSwitch(argument)) {
      if (argument.find('=') == std::string::npos) argument += '=' + arguments[++i];
      const size_t value = argument.find('=') + 1;
      if (std::string_view(argument).substr(0, value).ends_with("password=")) {
        argument.replace(value, std::string::npos, "...");
      }
    }
    shown.push_back(std::move(argument));
  }
  return shown;
}

std::string ServerName(const Options& options) {
  return options.server_name.empty() ? options.server.HostString() : options.server_name;
}

bool ParseOptions(const std::vector<std::string>& arguments, Options* out, std::string* error) {
  Applier applier(out, error);
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (applier.Switch(argument)) continue;
    const size_t equals = argument.find('=');
    const std::string flag = argument.substr(0, equals);
    bool applied = true;
    if (equals != std::string::npos) {
      applied = applier.Apply(flag, argument.substr(equals + 1));
    } else if (i + 1 < arguments.size()) {
      applied = applier.Apply(flag, arguments[++i]);
    } else {
      *error = flag + " wants a value, or is unknown; try --help";
      return false;
    }
    if (!applied) {
      if (error->find(flag) == std::string::npos) *error = flag + ": " + *error;
      return false;
    }
  }
  return applier.Check();
}

uint32_t UserCount(const Options& options) {
  return (options.clients + options.clients_per_user - 1) / options.clients_per_user;
}

std::string UserName(const Options& options, uint32_t number) {
  std::string name = options.users;
  const size_t place = name.find("%d");
  if (place != std::string::npos) {
    name.replace(place, 2, std::to_string(options.first_user + number));
  }
  return name;
}

Habit HabitOf(const Options& options, uint32_t client) {
  // 37 and 100 have no common divisor: every hundred clients are all numbers below 100, mixed.
  uint32_t place = client * 37 % 100;
  for (size_t habit = 0; habit < kHabits; ++habit) {
    if (place < options.mix[habit]) return static_cast<Habit>(habit);
    place -= options.mix[habit];
  }
  return Habit::kIdle;
}

bool Resumes(const Options& options, uint32_t client) {
  return (client * 61 + client / 100) % 100 < options.resume;
}

bool IsLoopback(const Address& address) {
  if (address.family == 4) return address.bytes[0] == 127;
  static constexpr uint8_t kOne[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return address.family == 6 && std::equal(kOne, kOne + 16, address.bytes);
}

Address SourceOf(const Options& options, uint32_t client) {
  if (!options.sources.empty()) return options.sources[client % options.sources.size()];
  if (options.server.family != 4 || !IsLoopback(options.server)) return {};
  const uint32_t number = client / kClientsPerSource;
  static_assert(kMaxClients / kClientsPerSource / 250 < 256);
  Address source;
  source.family = 4;
  source.bytes[0] = 127;
  source.bytes[1] = 10;
  source.bytes[2] = static_cast<uint8_t>(number / 250);
  source.bytes[3] = static_cast<uint8_t>(1 + number % 250);
  return source;
}

}  // namespace roost::load
