"""Pyodide, which is CPython in WebAssembly: its version, where browsers get it, and the hashes of its files."""

import os
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha384
from pathlib import Path

from starchart.errors import StarchartError
from starchart.files.regular_file import read_regular_file

VERSION = "314.0.7"
ADDRESS = f"https://cdn.jsdelivr.net/npm/pyodide@{VERSION}/"  # the files of the npm package, so that the hashes hold
# Subresource integrity (W3C): a browser refuses a file with another hash.
INTEGRITY = {
    "pyodide.mjs": "sha384-Lp79fMwxa4n2BLtugpUAoQMlbxIdg8iCUiP1r3h7nJLkQjwlXT1JzZTeHVL+f4Dg",
    "pyodide.asm.mjs": "sha384-/2281iaC0Iimw0B3Kagy1DBfZcJG3W4KYW+EmOqhsdY3fR9BJ88FE2Zt6y0KQKpa",
    "pyodide.asm.wasm": "sha384-y++qrQ72KPA1fTjLIuGMP+jppgGxjbLCgfdb0zMrnNnQVhxRUXTOTF6rTxNzllSu",
    "python_stdlib.zip": "sha384-xW3A5jmenkrPXbsgrIaB1FCJh9OuLT7FRMagsJMgtlhVc19k/mSy3+7nMaF/d767",
}
LOCK = {  # of packages that it could load: none
    "info": {"abi_version": "2026_0", "arch": "wasm32", "platform": "emscripten_5_0_3", "python": "3.14.2"},
    "packages": {},
}
SIZES = {"pyodide.mjs": 17931, "pyodide.asm.mjs": 1250344, "pyodide.asm.wasm": 9598218, "python_stdlib.zip": 2545637}


def pyodide_files(folder: str) -> Mapping[str, bytes]:
    """Return the files of Pyodide in a folder, such as that of the npm package `pyodide`.

    Raises StarchartError where one is missing or is not that of VERSION.
    """
    read = {}
    for name, integrity in INTEGRITY.items():
        path = Path(folder, name)
        try:
            read[name] = read_regular_file(path)
        except OSError as error:
            raise StarchartError(
                f"--pyodide {os.fspath(path)}: {error.strerror}; give the folder of pyodide {VERSION}, as npm installs"
                " it, or leave --pyodide out"
            ) from None
        if integrity_of(read[name]) != integrity:
            raise StarchartError(f"--pyodide {os.fspath(path)}: is not that of pyodide {VERSION}; give that version")
    return read


def integrity_of(data: bytes) -> str:
    """Return the hash of a file as browsers write it."""
    return f"sha384-{b64encode(sha384(data).digest()).decode()}"
