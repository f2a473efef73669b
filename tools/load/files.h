// Whole files in and out.
#ifndef ROOST_TOOLS_LOAD_FILES_H_
#define ROOST_TOOLS_LOAD_FILES_H_

#include <string>
#include <string_view>

namespace roost::load {

// False: *error says which file and why.
bool ReadFile(const std::string& path, std::string* text, std::string* error);
bool WriteFile(const std::string& path, std::string_view text, std::string* error);

}  // namespace roost::load

#endif  // ROOST_TOOLS_LOAD_FILES_H_
