#!/usr/bin/python3
"""What tools/lint finds, shown on a small tree of its own."""

import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

LINT = Path(__file__).resolve().parent / "lint"

HEADER = """// A thing.
#ifndef ROOST_{0}_
#define ROOST_{0}_
{1}
#endif  // ROOST_{0}_
"""


class LintTest(unittest.TestCase):
    def setUp(self):
        self.root = Path(tempfile.mkdtemp(prefix="roost-lint-"))
        self.addCleanup(shutil.rmtree, self.root)
        (self.root / "tools").mkdir()
        shutil.copy(LINT, self.root / "tools/lint")
        self.write("proto/a/CMakeLists.txt", "roost_library(proto_a SRCS a.cc)\n")
        self.write("proto/a/a.h", HEADER.format("PROTO_A_A_H", ""))
        self.write("proto/a/a.cc", '#include "proto/a/a.h"\n')
        self.write("core/b/CMakeLists.txt", "roost_library(core_b SRCS b.cc DEPS proto_a)\n")
        self.write("core/b/b.cc", '#include "proto/a/a.h"\n')

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def lint(self, check):
        result = subprocess.run(["/usr/bin/python3", self.root / "tools/lint", check], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return result.returncode, result.stdout

    def assert_found(self, check, words):
        status, output = self.lint(check)
        self.assertEqual(1, status, output)
        self.assertIn(words, output)

    def test_a_clean_tree_passes(self):
        for check in ("layers", "text", "scripts"):
            status, output = self.lint(check)
            self.assertEqual(0, status, output)

    def test_proto_includes_nothing_above_it(self):
        self.write("core/b/b.h", HEADER.format("CORE_B_B_H", ""))
        self.write("proto/a/a.cc", '#include "core/b/b.h"\n')
        self.assert_found("layers", "proto/ includes nothing above it")

    def test_a_folder_includes_only_what_it_links(self):
        self.write("core/b/CMakeLists.txt", "roost_library(core_b SRCS b.cc)\n")
        self.assert_found("layers", "proto/a is not among the DEPS")

    def test_a_library_that_is_linked_indirectly_may_be_included(self):
        self.write("core/c/CMakeLists.txt", "roost_library(core_c SRCS c.cc DEPS core_b)\n")
        self.write("core/c/c.cc", '#include "proto/a/a.h"\n')
        self.assertEqual(0, self.lint("layers")[0])

    def test_a_comment_in_a_list_is_no_dependency(self):
        self.write("core/b/CMakeLists.txt", "roost_library(core_b SRCS b.cc DEPS  # proto_a\n)\n")
        self.assert_found("layers", "proto/a is not among the DEPS")

    def test_a_library_that_does_not_exist_is_no_dependency(self):
        self.write("core/b/CMakeLists.txt", "roost_library(core_b SRCS b.cc DEPS proto_a core_x)\n")
        self.assert_found("layers", "core_b links core_x, which no folder defines")

    def test_a_source_that_does_not_exist_is_not_named(self):
        self.write("proto/a/CMakeLists.txt", "roost_library(proto_a SRCS a.cc c.cc)\n")
        self.assert_found("text", "proto/a/c.cc: named in CMakeLists.txt, but not there")

    def test_only_one_file_includes_liburing(self):
        self.write("core/b/b.cc", "#include <liburing.h>\n")
        self.assert_found("layers", "liburing is used in")

    def test_only_proto_tls_includes_boringssl(self):
        self.write("core/b/b.cc", "#include <openssl/ssl.h>\n")
        self.assert_found("layers", "BoringSSL is used in")

    def test_proto_has_no_sockets_and_no_clock(self):
        self.write("proto/a/a.cc", "#include <sys/socket.h>\n#include <chrono>\n")
        self.assert_found("layers", "<sys/socket.h>: proto/ is pure")
        self.assert_found("layers", "<chrono>: proto/ is pure")

    def test_a_file_has_a_bound(self):
        self.write("proto/a/a.cc", "// x\n" * 801)
        self.assert_found("text", "more than 800")

    def test_a_header_guard_is_the_path(self):
        self.write("proto/a/a.h", HEADER.format("PROTO_B_A_H", ""))
        self.assert_found("text", "header guard is not ROOST_PROTO_A_A_H_")

    def test_no_source_is_left_out_of_the_build(self):
        self.write("proto/a/forgotten.cc", "")
        self.assert_found("text", "proto/a/forgotten.cc: no CMakeLists.txt names it")

    def test_white_space_at_the_end_is_found(self):
        self.write("tools/x.sh", "#!/bin/sh \n")
        self.assert_found("text", "white space at the end")

    def test_a_broken_ruler_is_found(self):
        self.write("proto/a/a.cc", "// ---- News\n  // ------------ Sends a\n// command.\n")
        self.assert_found("text", "proto/a/a.cc:2: a ruler that was broken")
        self.write("proto/a/a.cc", "// ---- News ----\n")
        self.assertEqual(0, self.lint("text")[0])

    def test_a_script_must_be_executable(self):
        self.write("tools/x.sh", "#!/bin/sh\n")
        self.assert_found("scripts", "not executable")

    def test_python_must_compile(self):
        self.write("tools/x.py", "def f(:\n")
        self.assert_found("scripts", "tools/x.py:1")

    EVENTS = """
## Log events

| event | level | fields | meaning |
| --- | --- | --- | --- |
| `lost` | info or warning | `store`, `user` | A session has gone. |
| `found` | info | | It is there. |

## Other
"""
    LOGS = """
Log(bad ? LogLevel::kWarning : LogLevel::kInfo, "lost",
    {{"store", Name(a, "(")}, {"user", user}});
Log(LogLevel::kInfo, "found");
feed.Log(event);
"""

    def test_the_readme_has_all_events(self):
        self.write("core/b/b.cc", self.LOGS)
        self.write("README.md", self.EVENTS)
        self.assertEqual((0, "events: nothing found\n"), self.lint("events"))
        for row in ("| `lost`", "| `found`"):
            line = next(line for line in self.EVENTS.splitlines() if line.startswith(row))
            self.write("README.md", self.EVENTS.replace(line + "\n", ""))
            self.assert_found("events", f"{row[3:-1]} of core/b/b.cc is not among the log events")

    def test_the_readme_has_no_other_events(self):
        self.write("core/b/b.cc", self.LOGS.replace('"found"', '"lost"'))
        self.write("README.md", self.EVENTS)
        self.assert_found("events", "nothing logs found")

    def test_levels_and_fields_of_events_are_those_of_the_readme(self):
        self.write("core/b/b.cc", self.LOGS)
        self.write("README.md", self.EVENTS.replace("`store`, `user`", "`user`"))
        self.assert_found("events", "lost has the fields `store`, `user`")
        self.write("README.md", self.EVENTS.replace("info or warning", "error"))
        self.assert_found("events", "lost is info or warning, not error")

    def test_the_readme_has_all_trace_events_with_their_fields_and_no_other(self):
        self.write("README.md", "\n## Log events\n")
        self.write("core/b/b.cc", 'Follow(cell, "told", {{"mailbox", name}, {"events", n}});\n'
                                  'trace_->Say(user, good ? "login" : "login_failed", id, {{"store", s}});\n')
        self.assert_found("events", "told is not among the trace events")
        row = "| `%s` | %s | It is. |\n"
        logins = row % ("login", "`store`") + row % ("login_failed", "`store`")
        self.write("README.md", "\n## Trace events\n\n" + row % ("told", "`events`, `mailbox`") + logins)
        self.assert_found("events", "told of a trace has the fields `mailbox`, `events`")
        self.write("README.md", "\n## Trace events\n\n" + row % ("told", "`mailbox`, `events`") + logins)
        self.assertEqual((0, "events: nothing found\n"), self.lint("events"))
        self.write("README.md", "\n## Trace events\n\n" + row % ("told", "`mailbox`, `events`") + logins +
                   row % ("gone", ""))
        self.assert_found("events", "no trace tells gone")

    def test_events_have_names_that_can_be_compared(self):
        self.write("core/b/b.cc", self.LOGS + "Log(LogLevel::kInfo, name);\n")
        self.write("README.md", self.EVENTS)
        self.assert_found("events", "core/b/b.cc:6: an event whose name is not in quotes")


if __name__ == "__main__":
    unittest.main()
