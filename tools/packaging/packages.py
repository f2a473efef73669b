"""What the tests of packaging share: the programs of this build, installed and packed.

Environment:
  ROOST_BIN   directory of the programs (default: build/bin); its parent is the build directory
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("ROOST_BIN", ROOT / "build" / "bin"))
BUILD = BIN.parent
PACKAGING = ROOT / "tools" / "packaging"

sys.path.insert(0, str(ROOT / "tools" / "integration"))


def run(*command, **options):
    """Its output, both streams; fails with it when the command fails."""
    done = subprocess.run([str(part) for part in command], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}")
    return done.stdout


def install(prefix, component="roost", destdir=""):
    run("cmake", "--install", BUILD, "--component", component, "--prefix", prefix,
        env={**os.environ, "DESTDIR": str(destdir)})


def build_packages(directory):
    """{name: path} of the Debian packages."""
    run("cpack", "--config", BUILD / "CPackConfig.cmake", "-B", directory, cwd=directory)
    return {path.name.split("_")[0]: path for path in Path(directory).glob("*.deb")}


def field(package, name):
    """A field of a package's control file."""
    return run("dpkg-deb", "--field", package, name).strip()
