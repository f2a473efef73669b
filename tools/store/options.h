// The command line of roost-store.
//
// Pure but for the files it is told to read (users, certificate, key). Errors are sentences for a
// person.
#ifndef ROOST_TOOLS_STORE_OPTIONS_H_
#define ROOST_TOOLS_STORE_OPTIONS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/io/io.h"
#include "tools/store/shard.h"

namespace roost::embedded {

struct CommandLine {
  ServerOptions server;
  bool help = false;
  bool version = false;
  bool print_ready = false;
  uint32_t threads = 1;
  uint32_t sockets_per_thread = 16384;
  DescriptorMode descriptors = DescriptorMode::kAuto;
  // User and number of messages.
  std::vector<std::pair<std::string, uint32_t>> preload;
  std::vector<InboxState> inboxes;
  std::string tls_cert_file, tls_key_file;
};

// What --help prints.
std::string_view HelpText();

// arguments: without the program's name. False: *error says which and why.
bool ParseCommandLine(const std::vector<std::string>& arguments, CommandLine* out,
                      std::string* error);

// "tls:127.0.0.1:993", "starttls:[::1]:143", "127.0.0.1:143".
bool ParseListener(std::string_view text, Protocol protocol, ListenerSpec* out);

// "user:password" lines, "#" begins a comment.
bool ParseUsers(std::string_view text, Credentials* out, std::string* error);

}  // namespace roost::embedded

#endif  // ROOST_TOOLS_STORE_OPTIONS_H_
