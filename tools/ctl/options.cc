#include "tools/ctl/options.h"

#include <algorithm>
#include <iterator>

namespace roost {
namespace {

constexpr char kUsage[] =
    "roostctl: asks a running roostd\n"
    "\n"
    "  roostctl status            figures of all shards, as a table\n"
    "  roostctl clients           who is connected and what they do, a line for each\n"
    "  roostctl feeds             mailboxes that are watched\n"
    "      --user NAME   of this login only\n"
    "      --limit N     so many lines at most; 1000 unless said, 0 for all\n"
    "  roostctl backends          sessions of each store\n"
    "  roostctl top               what is done each second, by shard, again and again\n"
    "      --every N     so many seconds apart; 2 unless said\n"
    "      --once        once, after that time\n"
    "  roostctl drain [--over SECONDS] [--wait]\n"
    "                             take no clients any more, tell those there are BYE\n"
    "                             spread over this time (drain.over_s), then end;\n"
    "                             with --wait, return when it has ended\n"
    "  roostctl store drain NAME [ADDRESS] [--over SECONDS]\n"
    "                             nobody new at this store, or at this address of it; who\n"
    "                             is there goes, spread over this time (60)\n"
    "  roostctl store undrain NAME [ADDRESS]\n"
    "                             take that back\n"
    "  roostctl kick USER         tell the clients of a user BYE\n"
    "  roostctl trace USER        what happens to the clients of a user, until it is\n"
    "                             interrupted\n"
    "  roostctl reload            read the configuration, certificates and keys anew\n"
    "  roostctl ticket-keys FILE  make, or rotate, a tls.ticket_key_file\n"
    "\n"
    "  --json          what roostd answers, for programs; of trace and top a line each time\n"
    "  --socket PATH   what the configuration of roostd says at control_socket; "
    "/run/roost/control\n"
    "                  unless said. Only root and the user that roostd runs as are answered.\n"
    "  --              what follows is no option\n"
    "  --version       which Roost this is; of the roostd that runs, roostctl status says it\n"
    "  --help, -h      this\n"
    "\n"
    "Exit status\n"
    "  0  answered, or done\n"
    "  1  not, or the answer is not whole; standard error says why\n"
    "  2  the command line is not understood; nothing was asked\n";

enum Option : uint32_t {
  kSocket = 1,
  kJson = 2,
  kUser = 4,
  kLimit = 8,
  kOver = 16,
  kWait = 32,
  kEvery = 64,
  kOnce = 128,
};

struct OptionName {
  Option bit;
  std::string_view name;
  std::string_view value;  // what it is called in usage; empty: it has none
};
constexpr OptionName kOptions[] = {
    {kUser, "--user", "NAME"}, {kLimit, "--limit", "N"},      {kEvery, "--every", "SECONDS"},
    {kOnce, "--once", ""},     {kOver, "--over", "SECONDS"},  {kWait, "--wait", ""},
    {kJson, "--json", ""},     {kSocket, "--socket", "PATH"},
};

struct Command {
  std::string_view name;
  std::string_view words;  // as usage calls them
  size_t least, most;      // of words
  uint32_t options;
};
constexpr Command kCommands[] = {
    {"status", "", 0, 0, kSocket | kJson},
    {"clients", "", 0, 0, kSocket | kJson | kUser | kLimit},
    {"feeds", "", 0, 0, kSocket | kJson | kUser | kLimit},
    {"backends", "", 0, 0, kSocket | kJson},
    {"top", "", 0, 0, kSocket | kJson | kEvery | kOnce},
    {"drain", "", 0, 0, kSocket | kJson | kOver | kWait},
    {"store drain", " NAME [ADDRESS]", 1, 2, kSocket | kJson | kOver},
    {"store undrain", " NAME [ADDRESS]", 1, 2, kSocket | kJson},
    {"kick", " USER", 1, 1, kSocket | kJson},
    {"trace", " USER", 1, 1, kSocket | kJson},
    {"reload", "", 0, 0, kSocket | kJson},
    {"ticket-keys", " FILE", 1, 1, 0},
};

std::string UsageOf(const Command& command) {
  std::string text = "usage: roostctl ";
  text.append(command.name).append(command.words);
  for (const OptionName& option : kOptions) {
    if ((command.options & option.bit) == 0) continue;
    text.append(" [").append(option.name);
    if (!option.value.empty()) text.append(" ").append(option.value);
    text.append("]");
  }
  return text;
}

bool IsNumber(std::string_view text, size_t most_digits) {
  return !text.empty() && text.size() <= most_digits &&
         text.find_first_not_of("0123456789") == text.npos;
}

// What a value may not be; empty: it is good.
std::string_view ProblemOf(Option option, std::string_view value) {
  if (value.empty()) return "needs a value";
  switch (option) {
    case kLimit:
      return IsNumber(value, 18) ? "" : "needs a number";
    case kEvery:
      return IsNumber(value, 4) && value.find_first_not_of('0') != value.npos
                 ? ""
                 : "needs a number of seconds";
    case kOver:
      return value.find_first_of(" \n") == value.npos ? "" : "needs a number of seconds";
    case kUser:
      return value.find('\n') == value.npos ? "" : "needs a login name";
    default:
      return "";
  }
}

void Take(Option option, std::string_view value, Options* out) {
  switch (option) {
    case kSocket:
      out->path = value;
      break;
    case kUser:
      out->user = value;
      break;
    case kLimit:
      out->limit = value;
      break;
    case kOver:
      out->over = value;
      break;
    case kEvery:
      out->every = value;
      break;
    case kJson:
      out->json = true;
      break;
    case kWait:
      out->wait = true;
      break;
    case kOnce:
      out->once = true;
      break;
  }
}

// One line is one request: words are told to roostd behind blanks, a user to the line's end.
bool IsGoodWord(std::string_view command, std::string_view word) {
  const bool several = command.starts_with("store ");
  return !word.empty() && word.find_first_of(several ? " \n" : "\n") == word.npos;
}

// Of all that is there, the options in order and the words.
struct Line {
  uint32_t given = 0;  // options
  std::vector<std::string_view> words;
};

// False with *problem: the argument and what is wrong with it.
bool ReadLine(std::span<const std::string_view> arguments, Line* line, Options* out,
              std::string* problem) {
  bool only_words = false;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    if (only_words || !argument.starts_with('-')) {
      line->words.push_back(argument);
      continue;
    }
    if (argument == "--") {
      only_words = true;
      continue;
    }
    const size_t equals = argument.find('=');
    const std::string_view name = argument.substr(0, equals);
    const auto* option = std::find_if(std::begin(kOptions), std::end(kOptions),
                                      [&](const OptionName& one) { return one.name == name; });
    const bool known =
        option != std::end(kOptions) && (!option->value.empty() || equals == argument.npos);
    if (!known) {
      *problem = std::string(argument) + " is not understood";
      return false;
    }
    std::string_view value;
    if (equals != argument.npos) {
      value = argument.substr(equals + 1);
    } else if (!option->value.empty() && i + 1 < arguments.size()) {
      value = arguments[++i];
    }
    const std::string_view wrong =
        option->value.empty() ? std::string_view() : ProblemOf(option->bit, value);
    if (!wrong.empty()) {
      *problem = std::string(name).append(" ").append(wrong);
      return false;
    }
    line->given |= option->bit;
    Take(option->bit, value, out);
  }
  return true;
}

// Null: there is none. *used: so many words are its name.
const Command* FindCommand(std::span<const std::string_view> words, size_t* used) {
  if (words.empty()) return nullptr;
  std::string name(words[0]);
  *used = 1;
  if (name == "store" && words.size() > 1) {
    name.append(" ").append(words[1]);
    *used = 2;
  }
  const auto* found = std::find_if(std::begin(kCommands), std::end(kCommands),
                                   [&](const Command& one) { return one.name == name; });
  return found == std::end(kCommands) ? nullptr : found;
}

// Empty: nothing is.
std::string WhatIsWrong(const Command& command, const Line& line, const Options& options) {
  for (const OptionName& option : kOptions) {
    if ((line.given & option.bit & ~command.options) != 0) {
      return std::string(command.name).append(" has no ").append(option.name);
    }
  }
  if (options.words.size() > command.most) {
    return options.words[command.most] + " is not understood";
  }
  if (options.words.size() < command.least) {
    return std::string(command.name).append(" needs more words");
  }
  for (const std::string& word : options.words) {
    if (!IsGoodWord(command.name, word)) return "'" + word + "' is no" + std::string(command.words);
  }
  return {};
}

}  // namespace

std::string_view UsageText() { return kUsage; }

OptionsVerdict ParseOptions(std::span<const std::string_view> arguments, Options* options,
                            std::string* error) {
  *options = {};
  const auto behind_options = std::find(arguments.begin(), arguments.end(), "--");
  for (auto it = arguments.begin(); it != behind_options; ++it) {
    if (*it == "--help" || *it == "-h") return OptionsVerdict::kHelp;
    if (*it == "--version") return OptionsVerdict::kVersion;
  }
  Line line;
  const bool read = ReadLine(arguments, &line, options, error);
  size_t used = 0;
  const Command* command = FindCommand(line.words, &used);
  if (command == nullptr) {
    if (read)
      *error = line.words.empty() ? "a command is missing"
                                  : "there is no command " + std::string(line.words[0]);
    error->append("; try --help");
    return OptionsVerdict::kWrong;
  }
  options->command = command->name;
  options->words.assign(line.words.begin() + static_cast<std::ptrdiff_t>(used), line.words.end());
  if (read) *error = WhatIsWrong(*command, line, *options);
  if (error->empty()) return OptionsVerdict::kRun;
  error->append("\n").append(UsageOf(*command));
  return OptionsVerdict::kWrong;
}

}  // namespace roost
