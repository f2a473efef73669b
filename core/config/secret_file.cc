#include "core/config/secret_file.h"

#include <fstream>

namespace roost {

bool ReadSecretFile(const std::string& path, size_t most, std::string* text) {
  std::ifstream file;
  file.rdbuf()->pubsetbuf(nullptr, 0);  // a buffer of its own would be freed as it is
  file.open(path, std::ios::binary);
  text->assign(most, '\0');
  file.read(text->data(), static_cast<std::streamsize>(most));
  text->resize(static_cast<size_t>(file.gcount()));
  return file.is_open() && !file.bad();
}

}  // namespace roost
