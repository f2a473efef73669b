// Scenario files: options of the command line, kept in YAML.
//
// Keys are the names of options without their dashes, values what would stand behind them; a switch
// is `true`, an option that may be given several times a list, a mix a map of habits. What stands
// on the command line itself goes before what a file says.
#ifndef ROOST_TOOLS_LOAD_SCENARIO_H_
#define ROOST_TOOLS_LOAD_SCENARIO_H_

#include <string>
#include <string_view>
#include <vector>

namespace roost::load {

// Pure. False: *error says line and reason.
bool ParseScenario(std::string_view yaml, std::vector<std::string>* arguments, std::string* error);

// Replaces --scenario FILE by what the file says, ahead of everything else.
bool ExpandScenarios(std::vector<std::string>* arguments, std::string* error);

}  // namespace roost::load

#endif  // ROOST_TOOLS_LOAD_SCENARIO_H_
