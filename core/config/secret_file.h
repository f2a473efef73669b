// ReadSecretFile: what is read goes into one buffer, and nowhere else.
#ifndef ROOST_CORE_CONFIG_SECRET_FILE_H_
#define ROOST_CORE_CONFIG_SECRET_FILE_H_

#include <cstddef>
#include <string>

namespace roost {

// The file's first `most` bytes, which the caller wipes. False: it cannot be read; errno says why.
bool ReadSecretFile(const std::string& path, size_t most, std::string* text);

}  // namespace roost

#endif  // ROOST_CORE_CONFIG_SECRET_FILE_H_
