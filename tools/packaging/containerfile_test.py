#!/usr/bin/python3
"""The image as a builder makes it of k8s/Containerfile, unchanged; then what image_test.py sees roostd do, in it.

Needs what image_test.py needs, and buildah, which tools/setup does not install: Roost is compiled anew, in a clean
Debian. That takes minutes, fewer where ccache has seen it before.
"""

import json
import os
import re
import shutil
import stat
import tempfile
import unittest
from pathlib import Path

import image_test
from image_test import COMMAND, USER, Machine, bare_debian, why_not
from packages import ROOT, run

CONTAINERFILE = ROOT / "k8s/Containerfile"


class Builder:
    """buildah with images of its own, as it works without namespaces and overlays too."""

    def __init__(self, directory):
        self.store = ["--root", directory / "images", "--runroot", directory / "buildah", "--storage-driver", "vfs"]

    def __call__(self, command, *arguments, timeout=300):
        return run("buildah", *self.store, command, *arguments, timeout=timeout).strip()

    def image_of(self, archive, name):
        """Makes an image of that name out of files, so that no registry is asked for it."""
        container = self("from", "scratch").splitlines()[-1]
        self("add", container, archive, "/")
        self("commit", "--rm", container, name)


def setUpModule():
    reason = why_not()
    if not reason and not shutil.which("buildah"):
        reason = "not installed: buildah; apt-get install buildah, and k8s/Containerfile is built"
    if reason:
        raise unittest.SkipTest(reason)
    directory = tempfile.TemporaryDirectory(prefix="roost-containerfile-")
    unittest.addModuleCleanup(directory.cleanup)
    Machine.directory = Path(directory.name)
    Machine.builder = builder = Builder(Machine.directory)
    for name in re.findall(r"^FROM (\S+)", CONTAINERFILE.read_text(encoding="utf-8"), re.M):
        builder.image_of(bare_debian(["apt"]), name)
    objects = Path(os.environ.get("CCACHE_DIR", Path.home() / ".cache/ccache"))
    cache = ["--volume", f"{objects}:/root/.cache/ccache"] if objects.is_dir() else []
    builder("build", "--isolation", "chroot", *cache, "--file", CONTAINERFILE, "--tag", "roost", ROOT, timeout=3000)
    container = builder("from", "roost").splitlines()[-1]
    unittest.addModuleCleanup(builder, "rm", container)
    Machine.root = Path(builder("mount", container))


class ImageTest(unittest.TestCase):
    def test_it_starts_roostd_as_nobody_in_particular(self):
        config = json.loads(Machine.builder("inspect", "--type", "image", "roost"))["OCIv1"]["config"]
        self.assertEqual(config["Entrypoint"] + config["Cmd"], COMMAND)
        self.assertEqual(config["User"], f"{USER}:{USER}")

    def test_nothing_of_its_making_is_left_in_it(self):
        for name in ("src", "build", "usr/bin/g++", "usr/bin/cmake"):
            self.assertFalse((Machine.root / name).exists(), name)
        for name in ("tmp", "var/lib/apt/lists"):
            self.assertEqual(list((Machine.root / name).iterdir()), [], name)


    def test_a_configuration_that_is_mounted_as_a_file_can_be_read(self):
        self.assertEqual(stat.S_IMODE((Machine.root / "etc/roost").stat().st_mode), 0o755)


class ContainerTest(image_test.ContainerTest):
    pass


if __name__ == "__main__":
    unittest.main(verbosity=2)
