// CAPABILITY, ID, LOGOUT, STARTTLS, LOGIN, AUTHENTICATE, ENABLE.
#include "proto/imap/sasl.h"
#include "proto/imap/writer.h"
#include "tools/store/fetch_job.h"
#include "tools/store/session.h"

namespace roost::embedded {

void Session::Capability(const Command&) {
  const bool logged_in = phase_ != Phase::kNotAuthenticated;
  Out("* CAPABILITY " + options_->features.Capabilities(logged_in, offer_starttls_) + "\r\n");
  Ok("Done");
}

void Session::Id(const Command& command) {
  std::vector<IdField> fields;
  if (!ParseId(command, &fields)) {
    Bad("ID wants a list of pairs, or NIL");
    return;
  }
  std::string text;
  for (const IdField& field : fields) {
    if (!text.empty()) text.push_back(' ');
    AppendText(&text, field.name);
    text.push_back('=');
    AppendText(&text, field.value.value_or("NIL"));
  }
  registry_->set_last_id(std::move(text));
  std::string out = "* ID (\"name\" ";
  AppendQuoted(&out, options_->name);
  out += " \"comment\" \"in memory, for tests and demonstrations only\")\r\n";
  Out(out);
  Ok("Done");
}

void Session::Logout(const Command&) {
  const std::string tag = tag_;
  Out("* BYE Until next time\r\n" + tag + " OK Done\r\n");
  Deselect();
  phase_ = Phase::kEnded;
  host_->Close();
}

void Session::StartTls(const Command& command) {
  if (!offer_starttls_ || !command.args.empty()) {
    Bad("STARTTLS is not offered");
    return;
  }
  Ok("Begin");
  waiting_for_tls_ = true;
  host_->StartTls();
}

void Session::Login(const Command& command) {
  LoginArgs args;
  if (!ParseLogin(command, &args)) {
    Bad("LOGIN wants a name and a password");
    return;
  }
  LogIn({}, args.user, args.password);
}

void Session::Authenticate(const Command& command) {
  AuthenticateArgs args;
  if (!ParseAuthenticate(command, &args)) {
    Bad("AUTHENTICATE wants a mechanism");
    return;
  }
  if (ParseSaslMechanism(args.mechanism) != SaslMechanism::kPlain) {
    No("[CANNOT] Only PLAIN is offered");
    return;
  }
  if (args.initial) {
    if (!options_->features.Has(Feature::kSaslIr)) {
      Bad("SASL-IR is not offered");
      return;
    }
    TryPlain(*args.initial);
    return;
  }
  Out("+ \r\n");
  framer_.ExpectRawLine();
  next_line_ = Line::kSaslResponse;
}

void Session::SaslResponse(std::string_view line) {
  next_line_ = Line::kCommand;
  if (line == "*") {
    Bad("Cancelled");
    return;
  }
  TryPlain(line);
}

void Session::TryPlain(std::string_view base64) {
  std::string message;
  SaslPlain plain;
  if (!Base64Decode(base64, &message) || !ParseSaslPlain(message, &plain)) {
    Bad("Not a PLAIN message in base64");
    return;
  }
  LogIn(plain.authzid, plain.authcid, plain.password);
}

void Session::LogIn(std::string_view authorize_as, std::string_view login,
                    std::string_view password) {
  const std::optional<std::string> user = registry_->Verify(authorize_as, login, password);
  if (!user) {
    No("[AUTHENTICATIONFAILED] Name or password is wrong");
    return;
  }
  if (host_->MoveToOwner(*user)) {
    phase_ = Phase::kEnded;
    return;
  }
  FinishLogin(*user);
}

void Session::Adopt(const std::string& user, std::string_view tag) {
  tag_ = tag;
  FinishLogin(user);
}

void Session::FinishLogin(const std::string& user) {
  account_ = registry_->Get(user);
  ++account_->counts().open;
  ++account_->counts().logins;
  ++registry_->counts().logins;
  --registry_->counts().logging_in;
  phase_ = Phase::kAuthenticated;
  offer_starttls_ = false;
  Ok("[CAPABILITY " + options_->features.Capabilities(true, false) + "] Logged in");
}

void Session::Enable(const Command& command) {
  EnableArgs args;
  if (!ParseEnable(command, &args)) {
    Bad("ENABLE wants names");
    return;
  }
  std::string out = "* ENABLED";
  if (args.known.condstore() && options_->features.Has(Feature::kCondstore) && !condstore_) {
    condstore_ = true;
    out += " CONDSTORE";
  }
  if (args.known.qresync() && options_->features.Has(Feature::kQresync) && !qresync_) {
    qresync_ = true;
    out += " QRESYNC";
  }
  Out(out + "\r\n");
  Ok("Done");
}

}  // namespace roost::embedded
