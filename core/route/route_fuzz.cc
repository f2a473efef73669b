// Any text is a map or a list of errors, never a crash; what is built routes any user.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/route/route.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  roost::Config config;
  config.stores.resize(2);
  config.stores[0].name = "a";
  config.stores[1].name = "b";
  config.route.kind = roost::RouteConfig::Kind::kMap;
  std::vector<roost::ConfigError> errors;
  auto router = roost::Router::BuildFromText(config, text, &errors);
  if (router == nullptr) {
    for (const roost::ConfigError& error : errors) error.ToString();
    return 0;
  }
  router->Route(text.substr(0, 40));
  return 0;
}
