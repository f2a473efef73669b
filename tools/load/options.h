// The command line of roost-load.
//
// Pure. Errors are sentences for a person.
#ifndef ROOST_TOOLS_LOAD_OPTIONS_H_
#define ROOST_TOOLS_LOAD_OPTIONS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/io/io.h"

namespace roost::load {

// What a client does while it is connected; see client.h.
enum class Habit : uint8_t { kIdle, kPoll, kFetch, kSlow, kReconnect };
inline constexpr size_t kHabits = 5;
inline constexpr const char* kHabitNames[kHabits] = {"idle", "poll", "fetch", "slow", "reconnect"};

struct Options {
  enum class Tls : uint8_t { kImplicit, kStartTls, kNone };
  // Against a listener of our own that only holds the sockets, and how it waits on them.
  enum class Bare : uint8_t { kNone, kPoll, kReceive };

  // The server under load.
  Address server;
  Bare bare = Bare::kNone;
  Tls tls = Tls::kImplicit;
  std::string server_name;       // for SNI and the certificate; empty: the address
  std::string ca_file;           // empty: any certificate will do
  std::vector<Address> sources;  // without ports; see SourceOf
  bool handshake_only = false;   // a client has arrived when it is secure, and says nothing

  uint32_t clients = 1;
  uint32_t clients_per_user = 1;
  std::string users = "user%d";
  uint32_t first_user = 1;
  std::string password = "password";
  std::string mailbox = "INBOX";

  // How they come.
  uint32_t threads = 1;
  uint32_t rate = 0;        // a second, all threads together; 0: as fast as it goes
  uint32_t entering = 256;  // on their way to IDLE at once, in each thread
  uint32_t enter_timeout_s = 60;
  uint32_t ramp_limit_s = 3600;
  uint32_t re_idle_s = 1500;

  // How they behave.
  std::array<uint32_t, kHabits> mix = {100, 0, 0, 0, 0};  // percent
  uint32_t poll_s = 60;
  uint32_t slow_pause_s = 10;
  uint32_t stay_s = 60, away_s = 1;  // reconnect
  uint32_t retries = 0;              // after a failed connection
  uint32_t retry_ms = 1000, retry_longest_s = 10;
  bool return_lost = false;  // idle clients that are cut off come back
  uint32_t storms = 0;
  uint32_t resume = 0;  // percent of the handshakes that begin with a ticket

  // Mail, past the server.
  Address store;  // family 0: none
  bool lmtp = false;
  std::string store_password;  // empty: password
  uint64_t deliver = 0;
  uint32_t deliver_rate = 0;  // a second; 0: as fast as they are taken
  uint32_t couriers = 0;      // connections to the store in each thread; 0: as many as is usual
  bool deliver_on_line = false;
  uint32_t wait_s = 10;  // for events, after the last delivery
  uint32_t hold_s = 1;

  // What it costs.
  std::vector<int> watch_pids;
  std::string bare_run_file;  // the result of a bare run
  uint32_t settle_s = 1;      // between the last client's IDLE and the look at memory

  bool show = false;
  bool progress = false;
  std::string json_file;
  std::string html_file;
  bool help = false;
  bool version = false;
};

std::string_view HelpText();

// arguments: without the program's name. False: *error says which and why.
bool ParseOptions(const std::vector<std::string>& arguments, Options* out, std::string* error);

// Whether the option stands alone, without a value.
bool IsSwitch(std::string_view flag);

// As everybody may read them: each option and its value in one, no passwords. They can be parsed.
std::vector<std::string> WithoutSecrets(const std::vector<std::string>& arguments);

// For SNI and the certificate.
std::string ServerName(const Options& options);

// How many users the clients belong to, and their names; number < UserCount.
uint32_t UserCount(const Options& options);
std::string UserName(const Options& options, uint32_t number);

// In the same order over and over, so that each hundred clients have all of the mix.
Habit HabitOf(const Options& options, uint32_t client);

// Likewise spread; independent of the habit.
bool Resumes(const Options& options, uint32_t client);

bool IsLoopback(const Address& address);
// Where a client connects from: one of `sources` in turn; without any, on IPv4 loopback, one
// address for each kClientsPerSource clients, because connect() crawls when a pair of addresses has
// used up its ports; else none.
inline constexpr uint32_t kClientsPerSource = 5000;
Address SourceOf(const Options& options, uint32_t client);

}  // namespace roost::load

#endif  // ROOST_TOOLS_LOAD_OPTIONS_H_
