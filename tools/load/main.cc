// roost-load: see options.cc for what it can be told.
#include <signal.h>

#include <cstdio>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "core/base/version.h"
#include "tools/load/files.h"
#include "tools/load/options.h"
#include "tools/load/result.h"
#include "tools/load/runner.h"
#include "tools/load/scenario.h"

namespace {

using roost::load::LateFile;
using roost::load::Options;
using roost::load::Result;
using roost::load::Runner;

constexpr int kFailed = 1;
constexpr int kMisused = 2;

int Complain(const std::string& error, int status) {
  std::fprintf(stderr, "roost-load: %s\n", error.c_str());
  return status;
}

void OnSignal(int) { Runner::Interrupt(); }

// RFC 3339, in UTC.
std::string TimeNow() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

// Each whatever became of the other: the run may have taken hours.
bool Write(LateFile* file, const std::string& text) {
  std::string error;
  if (file->Write(text, &error)) return true;
  Complain(error, kFailed);
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  Options options;
  std::string error;
  if (!roost::load::ExpandScenarios(&arguments, &error) ||
      !ParseOptions(arguments, &options, &error)) {
    return Complain(error, kMisused);
  }
  if (options.help) {
    std::fputs(roost::load::HelpText().data(), stdout);
    return 0;
  }
  if (options.version) {
    std::fputs(roost::VersionLine("roost-load").c_str(), stdout);
    return 0;
  }
  const std::unique_ptr<Runner> runner = Runner::Create(options, &error);
  LateFile json, html;
  if (runner == nullptr || !json.Open(options.json_file, &error) ||
      !html.Open(options.html_file, &error)) {
    return Complain(error, kFailed);
  }
  struct sigaction action {};
  action.sa_handler = OnSignal;
  for (const int signal : {SIGTERM, SIGINT}) sigaction(signal, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
  const std::string started = TimeNow();
  Result result = runner->Run();
  result.started = started;
  result.arguments = roost::load::WithoutSecrets(arguments);
  std::fputs(ResultTable(result).c_str(), stdout);
  std::fflush(stdout);
  bool written = Write(&json, ResultJson(result));
  written = Write(&html, ResultHtml(result)) && written;
  return written && result.Good() ? 0 : kFailed;
}
