// What only the file system can tell about a configuration.

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "core/config/report.h"
#include "core/config/secret_file.h"

namespace roost {
namespace {

using config_detail::AddError;
using config_detail::AddWarning;
using config_detail::KeyOf;

constexpr std::streamsize kMaxConfigFile = 1 << 20;  // bytes, as LoadConfig

std::string Reason() { return std::strerror(errno); }

void CheckReadable(LoadedConfig* loaded, const std::string& key, const std::string& path,
                   const char* what) {
  if (path.empty()) return;
  struct stat info;
  if (stat(path.c_str(), &info) != 0 || access(path.c_str(), R_OK) != 0) {
    AddError(loaded, key, std::string("cannot read ") + path + ": " + Reason(),
             std::string("put the ") + what + " there or correct the name");
  } else if (!S_ISREG(info.st_mode)) {
    AddError(loaded, key, path + " is not a file", std::string("name the ") + what);
  }
}

// A key whose PEM says nothing of a private key, or that others may read.
void CheckKey(LoadedConfig* loaded, const std::string& key, const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) == 0 && (info.st_mode & S_IROTH) != 0) {
    AddWarning(loaded, key, path + " can be read by everybody", "chmod o= it");
  }
}

void CheckPem(LoadedConfig* loaded, const std::string& key, const std::string& path,
              std::string_view mark, const char* what) {
  if (path.empty()) return;
  std::string text;
  ReadSecretFile(path, 1 << 16, &text);  // it may be a key
  if (!text.empty() && text.find(mark) == std::string::npos) {
    AddError(loaded, key, path + " holds no " + what + " in PEM form",
             std::string("it should have a line '-----BEGIN ... ") + std::string(mark) + "'");
  }
  Cleanse(&text);
}

// A file that is to be created: its directory must be there and let us write.
void CheckCreatable(LoadedConfig* loaded, const std::string& key, const std::string& path) {
  if (path.empty()) return;
  size_t slash = path.rfind('/');
  std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  if (access(directory.c_str(), W_OK | X_OK) == 0) return;
  AddError(loaded, key, "cannot create a file in " + directory + ": " + Reason(),
           "create the directory or correct the name");
}

constexpr size_t kMaxPassword = 1024;  // bytes

void ReadMasterPassword(LoadedConfig* loaded, StoreConfig* store, size_t i) {
  if (store->master_password_file.empty()) return;
  std::string key = KeyOf("stores", i, "master_password_file");
  size_t before = loaded->errors.size();
  CheckReadable(loaded, key, store->master_password_file, "password");
  if (loaded->errors.size() > before) return;
  CheckKey(loaded, key, store->master_password_file);
  std::string line;
  ReadSecretFile(store->master_password_file, kMaxPassword + 2, &line);  // with CRLF
  line.resize(std::min(line.find('\n'), line.size()));
  if (!line.empty() && line.back() == '\r') line.pop_back();
  const bool good =
      !line.empty() && line.size() <= kMaxPassword && line.find('\0') == std::string::npos;
  if (good) store->master_password = line;
  Cleanse(&line);
  if (!good) {
    AddError(loaded, key, "the first line holds no password", "write it there, 1 to 1024 bytes");
  }
}

void CheckUser(LoadedConfig* loaded) {
  const std::string& user = loaded->config.user;
  if (user.empty()) return;
  if (getpwnam(user.c_str()) == nullptr) {
    AddError(loaded, "user", "there is no account '" + user + "'",
             "create it (adduser --system) or correct the name");
  }
}

}  // namespace

void CheckFilesToRead(LoadedConfig* loaded) {
  Config& config = loaded->config;
  for (size_t i = 0; i < config.certificates.size(); ++i) {
    const CertificateConfig& certificate = config.certificates[i];
    std::string chain = KeyOf("certificates", i, "chain_file");
    std::string key = KeyOf("certificates", i, "key_file");
    CheckReadable(loaded, chain, certificate.chain_file, "certificate");
    CheckPem(loaded, chain, certificate.chain_file, "CERTIFICATE-----", "certificate");
    CheckReadable(loaded, key, certificate.key_file, "private key");
    CheckPem(loaded, key, certificate.key_file, "PRIVATE KEY-----", "private key");
    CheckKey(loaded, key, certificate.key_file);
  }
  CheckReadable(loaded, "tls.ticket_key_file", config.tls.ticket_key_file, "ticket keys");
  CheckKey(loaded, "tls.ticket_key_file", config.tls.ticket_key_file);
  for (size_t i = 0; i < config.stores.size(); ++i) {
    std::string ca = KeyOf("stores", i, "ca_file");
    CheckReadable(loaded, ca, config.stores[i].ca_file, "certificates of the authorities");
    CheckPem(loaded, ca, config.stores[i].ca_file, "CERTIFICATE-----", "certificate");
    ReadMasterPassword(loaded, &config.stores[i], i);
  }
  CheckReadable(loaded, "route.map_file", config.route.map_file, "map of users");
  CheckReadable(loaded, "lookup.header_file", config.lookup.header_file, "header lines");
  CheckKey(loaded, "lookup.header_file", config.lookup.header_file);
  config_detail::SortByLine(loaded);
}

void CheckConfigFiles(LoadedConfig* loaded) {
  CheckFilesToRead(loaded);
  const Config& config = loaded->config;
  CheckCreatable(loaded, "log.file", config.log.file);
  CheckCreatable(loaded, "control_socket", config.control_socket);
  CheckUser(loaded);
  config_detail::SortByLine(loaded);
}

LoadedConfig LoadConfigFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text;
  if (file) {
    text.resize(kMaxConfigFile + 1);  // one more, so that LoadConfig sees that it is too large
    file.read(text.data(), kMaxConfigFile + 1);
    text.resize(static_cast<size_t>(file.gcount()));
  }
  if (!file.is_open() || file.bad()) {
    LoadedConfig loaded;
    loaded.file = path;
    loaded.errors.push_back({path, 0, "", "cannot be read: " + Reason(), "correct the name"});
    return loaded;
  }
  LoadedConfig loaded = LoadConfig(text, path);
  if (loaded.ok()) CheckConfigFiles(&loaded);
  return loaded;
}

}  // namespace roost
