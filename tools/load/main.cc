// roost-load: see options.cc for what it can be told.
#include <signal.h>

#include <cstdio>
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

// Passwords are nobody's business who reads a report.
std::string CommandLine(const std::vector<std::string>& arguments) {
  std::string line = "roost-load";
  bool secret = false;  // what comes next
  for (const std::string& argument : arguments) {
    const size_t equals = argument.find('=');
    const bool password = argument.substr(0, equals).ends_with("password");
    if (secret) {
      line += " ...";
    } else if (password && equals != std::string::npos) {
      line += ' ' + argument.substr(0, equals) + "=...";
    } else {
      line += ' ' + argument;
    }
    secret = !secret && password && equals == std::string::npos;
  }
  return line;
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
  const std::string command = CommandLine(arguments);
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
  const Result result = runner->Run();
  std::fputs(ResultTable(result).c_str(), stdout);
  std::fflush(stdout);
  bool written = Write(&json, ResultJson(result));
  written = Write(&html, ResultHtml(result, command)) && written;
  return written && result.Good() ? 0 : kFailed;
}
