// roost-load: see options.cc for what it can be told.
#include <signal.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "tools/load/options.h"
#include "tools/load/result.h"
#include "tools/load/runner.h"

namespace {

void OnSignal(int) { roost::load::Runner::Interrupt(); }

bool WriteFile(const std::string& path, const std::string& text) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) return false;
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  return std::fclose(file) == 0 && written;
}

}  // namespace

int main(int argc, char** argv) {
  using roost::load::Options;
  using roost::load::Result;
  using roost::load::Runner;
  Options options;
  std::string error;
  if (!ParseOptions(std::vector<std::string>(argv + 1, argv + argc), &options, &error)) {
    std::fprintf(stderr, "roost-load: %s\n", error.c_str());
    return 2;
  }
  if (options.help) {
    std::fputs(roost::load::HelpText().data(), stdout);
    return 0;
  }
  const std::unique_ptr<Runner> runner = Runner::Create(options, &error);
  if (runner == nullptr) {
    std::fprintf(stderr, "roost-load: %s\n", error.c_str());
    return 1;
  }
  struct sigaction action {};
  action.sa_handler = OnSignal;
  for (const int signal : {SIGTERM, SIGINT}) sigaction(signal, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
  const Result result = runner->Run();
  std::fputs(ResultTable(result).c_str(), stdout);
  std::fflush(stdout);
  if (!options.json_file.empty() && !WriteFile(options.json_file, ResultJson(result))) {
    std::fprintf(stderr, "roost-load: cannot write %s\n", options.json_file.c_str());
    return 1;
  }
  return result.Good() ? 0 : 1;
}
