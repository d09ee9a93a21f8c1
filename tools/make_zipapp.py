"""Make starchart.pyz: Starchart in one file, which runs with Python 3.11 or newer and nothing else.

    python -m tools.make_zipapp --out starchart.pyz
    python starchart.pyz "Once upon a time"

The file is a zip application (PEP 441). It holds run_gpt2.py as __main__.py, and the packages where they are in the
repository, with the model and the vocabulary in the box, the page of `explore` and the Guide. It is not compressed,
the names are in order and all times are the same, so that the same files give the same bytes on every machine.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

ROOT = Path(__file__).resolve().parents[1]
MAIN = "run_gpt2.py"
_SHEBANG = b"#!/usr/bin/env python3\n"
_TIME = (1980, 1, 1, 0, 0, 0)  # the first that a zip file can say
_UNIX = 3  # the system that made it, whichever it is
_READABLE = 0o100644 << 16  # a regular file, as a zip file says it


def contents(root: Path = ROOT) -> dict[str, bytes]:
    """Return what goes into the file, by the names in it, in their order. Raises OSError."""
    code = [file for package in ("src/starchart", "starport") for file in (root / package).rglob("*.py")]
    box = [
        file
        for file in (root / "src/starchart/box").glob("*/*")
        if file.is_file() and file.parent.name[0] != "_" and file.name[0] not in "._"
    ]
    page = [file for folder in ("starport/page/web", "docs/guide") for file in (root / folder).rglob("*.*")]
    files = {file.relative_to(root).as_posix(): file for file in (*code, *box, *page, root / "LICENSE")}
    files["__main__.py"] = root / MAIN
    return {name: files[name].read_bytes() for name in sorted(files)}


def write_zipapp(out: Path, files: dict[str, bytes]) -> None:
    """Write the file aside, then rename it, so that `out` is whole or as it was. Raises OSError."""
    descriptor, aside = tempfile.mkstemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent)
    try:
        with open(descriptor, "wb") as opened:
            opened.write(_SHEBANG)
            with ZipFile(opened, "w", ZIP_STORED) as archive:
                for name, data in files.items():
                    entry = ZipInfo(name, _TIME)
                    entry.create_system, entry.external_attr = _UNIX, _READABLE
                    archive.writestr(entry, data)
        os.chmod(aside, 0o755)
        os.replace(aside, out)
    except BaseException:
        os.unlink(aside)
        raise


def refusal(out: str) -> str | None:
    """Return why nothing can be written there; None if it can, as far as one can tell before."""
    path = Path(out)
    if not out or out.endswith(("/", os.sep)) or path.is_dir():
        return "is a folder; give the path of a file, such as starchart.pyz" if out else "is empty; give a path"
    if path.exists() and not path.is_file():
        return "is no regular file; give the path of a file, such as starchart.pyz"
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}; make it first"
    if Path("/dev") in path.resolve().parents:
        return "/dev is for devices; give a path in another folder"
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, metavar="FILE", help="where to write it; what is there is replaced")
    out = parser.parse_args(arguments).out
    fault = refusal(out)
    if not fault:
        try:
            write_zipapp(Path(out), contents())
        except OSError as error:
            fault = f"cannot be written: {error.strerror}"
    if fault:
        sys.stderr.write(f"make_zipapp: --out {out}: {fault}\n")
        return 2
    print(f"{out}: {Path(out).stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
