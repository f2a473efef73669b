#include "tools/store/mime.h"

#include <gtest/gtest.h>

#include "tools/store/mail_date.h"

namespace roost::embedded {
namespace {

constexpr std::string_view kMixed =
    "From: \"Ann Other\" <ann@a.example>\r\n"
    "To: bob@b.example (Bob), Group: c@c.example, d@d.example;\r\n"
    "Subject: folded\r\n line\r\n"
    "Date: Mon, 7 Feb 1994 21:52:25 -0800\r\n"
    "Message-ID: <1@a.example>\r\n"
    "Content-Type: multipart/mixed; boundary=\"b1\"\r\n"
    "\r\n"
    "preamble\r\n"
    "--b1\r\n"
    "\r\n"
    "plain text\r\n"
    "--b1\r\n"
    "Content-Type: multipart/alternative; boundary=b2\r\n"
    "\r\n"
    "--b2\r\n"
    "Content-Type: text/html; charset=utf-8\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n"
    "\r\n"
    "<p>\r\n"
    "--b2--\r\n"
    "--b1\r\n"
    "Content-Type: message/rfc822\r\n"
    "\r\n"
    "Subject: inner\r\n"
    "\r\n"
    "inner text\r\n"
    "--b1--\r\n"
    "epilogue\r\n";

std::string Get(std::string_view message, std::string_view section_text) {
  Section section;
  if (!Section::Parse(section_text, &section)) return "(bad section)";
  std::string scratch;
  const auto content = ExtractSection(message, section, &scratch);
  return content ? std::string(*content) : "NIL";
}

std::string Structure(std::string_view message, bool extensions = false) {
  std::string out;
  AppendBodyStructure(&out, ParseMessage(message), extensions);
  return out;
}

TEST(Mime, PartsAreFoundByTheirPath) {
  EXPECT_EQ(Get(kMixed, "1"), "plain text");
  EXPECT_EQ(Get(kMixed, "1.MIME"), "\r\n");
  EXPECT_EQ(Get(kMixed, "2.1"), "<p>");
  EXPECT_EQ(Get(kMixed, "2.1.MIME"),
            "Content-Type: text/html; charset=utf-8\r\n"
            "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
  EXPECT_EQ(Get(kMixed, "3"), "Subject: inner\r\n\r\ninner text");
  EXPECT_EQ(Get(kMixed, "3.HEADER"), "Subject: inner\r\n\r\n");
  EXPECT_EQ(Get(kMixed, "3.TEXT"), "inner text");
  EXPECT_EQ(Get(kMixed, "3.1"), "inner text");
  for (const char* missing : {"4", "1.1", "2.2", "3.2", "1.HEADER", "2.1.1"}) {
    EXPECT_EQ(Get(kMixed, missing), "NIL") << missing;
  }
}

TEST(Mime, AMessageWithoutPartsIsItsOwnFirst) {
  constexpr std::string_view kPlain = "Subject: x\r\n\r\nbody\r\n";
  EXPECT_EQ(Get(kPlain, "1"), "body\r\n");
  EXPECT_EQ(Get(kPlain, "1.MIME"), "Subject: x\r\n\r\n");
  EXPECT_EQ(Get(kPlain, "TEXT"), "body\r\n");
  EXPECT_EQ(Get(kPlain, ""), kPlain);
  EXPECT_EQ(Get(kPlain, "2"), "NIL");
  EXPECT_EQ(Get(kPlain, "1.1"), "NIL");
}

TEST(Mime, HeaderFieldsAreChosenAndLeftOut) {
  EXPECT_EQ(Get(kMixed, "HEADER.FIELDS (SUBJECT DATE)"),
            "Subject: folded\r\n line\r\nDate: Mon, 7 Feb 1994 21:52:25 -0800\r\n\r\n");
  EXPECT_EQ(Get(kMixed, "HEADER.FIELDS (\"x-none\")"), "\r\n");
  EXPECT_EQ(Get(kMixed, "3.HEADER.FIELDS.NOT (SUBJECT)"), "\r\n");
}

TEST(Mime, WhatIsNoSectionIsRefused) {
  for (const char* text : {"0", "1.", "MIME", "1..2", "HEADER.FIELDS", "HEADER.FIELDS ()", "FOO",
                           "TEXT.1", "99999999999"}) {
    Section section;
    EXPECT_FALSE(Section::Parse(text, &section)) << text;
  }
}

TEST(Mime, TheEnvelopeNamesPeople) {
  std::string out;
  AppendEnvelope(&out, HeaderOf(kMixed));
  EXPECT_EQ(out,
            "(\"Mon, 7 Feb 1994 21:52:25 -0800\" \"folded line\" "
            "((\"Ann Other\" NIL \"ann\" \"a.example\")) "
            "((\"Ann Other\" NIL \"ann\" \"a.example\")) "
            "((\"Ann Other\" NIL \"ann\" \"a.example\")) "
            "((\"Bob\" NIL \"bob\" \"b.example\")(NIL NIL \"Group\" NIL)"
            "(NIL NIL \"c\" \"c.example\")(NIL NIL \"d\" \"d.example\")(NIL NIL NIL NIL)) "
            "NIL NIL NIL \"<1@a.example>\")");
}

TEST(Mime, AddressesOfAllSortsAreRead) {
  auto envelope_from = [](std::string_view from) {
    std::string out;
    AppendEnvelope(&out, "From: " + std::string(from) + "\r\n\r\n");
    const size_t begin = std::string_view("(NIL NIL ").size();
    return out.substr(begin, out.find(" ((", begin + 1) - begin);
  };
  EXPECT_EQ(envelope_from("a@b"), "((NIL NIL \"a\" \"b\"))");
  EXPECT_EQ(envelope_from("First Last <a.b@c>"), "((\"First Last\" NIL \"a.b\" \"c\"))");
  EXPECT_EQ(envelope_from("\"quo\\\"ted\" <a@b>"), "((\"quo\\\"ted\" NIL \"a\" \"b\"))");
  EXPECT_EQ(envelope_from("<a@b>"), "((NIL NIL \"a\" \"b\"))");
  EXPECT_EQ(envelope_from("just words"), "((NIL NIL \"justwords\" \"\"))");
  EXPECT_EQ(envelope_from(",,;>"), "NIL NIL NIL NIL NIL NIL NIL NIL)");
}

TEST(Mime, StructuresAreTold) {
  EXPECT_EQ(Structure("Subject: x\r\n\r\none\r\ntwo\r\n"),
            "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 10 2)");
  EXPECT_EQ(Structure(kMixed),
            "((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 10 1)"
            "((\"TEXT\" \"HTML\" (\"CHARSET\" \"utf-8\") NIL NIL \"QUOTED-PRINTABLE\" 3 1) "
            "\"ALTERNATIVE\")"
            "(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 28 "
            "(NIL \"inner\" NIL NIL NIL NIL NIL NIL NIL NIL) "
            "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 10 1) 3) \"MIXED\")");
  EXPECT_EQ(Structure("Content-Type: image/png; name=\"a b.png\"\r\n"
                      "Content-Transfer-Encoding: base64\r\n"
                      "Content-Disposition: attachment; filename=a.png\r\n\r\nAAAA",
                      true),
            "(\"IMAGE\" \"PNG\" (\"NAME\" \"a b.png\") NIL NIL \"BASE64\" 4 NIL "
            "(\"attachment\" (\"FILENAME\" \"a.png\")) NIL NIL)");
}

TEST(Mime, BrokenMessagesAreText) {
  for (const char* message :
       {"", "\r\n", "no header at all", "Content-Type: multipart/mixed\r\n\r\nx",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\nnothing", "Content-Type: ;;;=\r\n\r\nx",
        "Content-Type: multipart/mixed; boundary=\"\r\n\r\n--\r\n--\r\n"}) {
    EXPECT_TRUE(Structure(message).starts_with("(\"TEXT\" \"PLAIN\"")) << message;
    Get(message, "1.2.3");
  }
}

TEST(Mime, NestingIsBounded) {
  std::string message;
  for (int i = 0; i < 5000; ++i) message += "Content-Type: message/rfc822\r\n\r\n";
  EXPECT_LT(Structure(message).size(), 10000u);
  std::string many = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
  for (int i = 0; i < 5000; ++i) many += "--b\r\n\r\nx\r\n";
  EXPECT_LE(ParseMessage(many).children.size(), static_cast<size_t>(Part::kMaxParts));
}

TEST(MailDate, IsWrittenAndReadBack) {
  EXPECT_EQ(FormatDateTime(0), " 1-Jan-1970 00:00:00 +0000");
  EXPECT_EQ(FormatDateTime(1700000000), "14-Nov-2023 22:13:20 +0000");
  EXPECT_EQ(ParseDateTime("14-Nov-2023 22:13:20 +0000"), 1700000000);
  EXPECT_EQ(ParseDateTime(" 1-Jan-1970 01:00:00 +0100"), 0);
  EXPECT_EQ(ParseDateTime("31-Dec-1969 16:00:00 -0800"), 0);
  EXPECT_FALSE(ParseDateTime("31-Feb-2020 16:00:00 -0800"));
  EXPECT_FALSE(ParseDateTime("31-Dec-1969 25:00:00 -0800"));
  EXPECT_EQ(ParseDate("1-Feb-1970"), 31);
  EXPECT_FALSE(ParseDate("1-February-1970"));
  EXPECT_EQ(DayOfTime(-1), -1);
  EXPECT_EQ(DayOfDateField("Mon, 7 Feb 1994 21:52:25 -0800"), DayNumber(1994, 2, 7));
  EXPECT_EQ(DayOfDateField("7 Feb 94 21:52:25 GMT"), DayNumber(1994, 2, 7));
  EXPECT_FALSE(DayOfDateField("yesterday"));
}

}  // namespace
}  // namespace roost::embedded
