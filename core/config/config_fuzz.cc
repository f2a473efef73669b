// Any text is a configuration or a list of errors, never a crash; what loads prints and loads
// again.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/config/config.h"
#include "proto/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  roost::LoadedConfig loaded = roost::LoadConfig(text, "/fuzz/roost.yaml");
  loaded.Describe();
  if (!loaded.ok()) return 0;
  // A password is not printed, so the printed text alone may lack one.
  for (roost::StoreConfig& store : loaded.config.stores) {
    if (store.master_password.empty()) continue;
    store.master_password.clear();
    store.master_password_file = "/fuzz/password";
  }
  std::string printed = roost::PrintConfig(loaded.config);
  roost::LoadedConfig again = roost::LoadConfig(printed, "/elsewhere/roost.yaml");
  ROOST_CHECK(again.ok());
  ROOST_CHECK(roost::PrintConfig(again.config) == printed);
  return 0;
}
