// roost-store: see options.cc for what it can be told, README.md for what it is for.
#include <cstdio>
#include <string>
#include <vector>

#include "core/base/version.h"
#include "tools/store/options.h"
#include "tools/store/server.h"

int main(int argc, char** argv) {
  using roost::embedded::CommandLine;
  CommandLine command_line;
  std::string error;
  if (!ParseCommandLine(std::vector<std::string>(argv + 1, argv + argc), &command_line, &error)) {
    std::fprintf(stderr, "roost-store: %s\n", error.c_str());
    return 2;
  }
  if (command_line.help) {
    std::fputs(roost::embedded::HelpText().data(), stdout);
    return 0;
  }
  if (command_line.version) {
    std::fputs(roost::VersionLine("roost-store").c_str(), stdout);
    return 0;
  }
  const bool print_ready = command_line.print_ready;
  roost::embedded::Server server(std::move(command_line));
  if (!server.Start(&error)) {
    std::fprintf(stderr, "roost-store: %s\n", error.c_str());
    return 1;
  }
  if (print_ready) {
    std::puts(server.ReadyLine().c_str());
    std::fflush(stdout);
  }
  server.Run();
  return 0;
}
