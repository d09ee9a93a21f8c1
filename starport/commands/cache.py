"""`starchart cache`: list or remove the packed models that are kept on disk."""

import argparse
import time

from starchart.engines.packed.pack_cache import in_units, user_cache
from starchart.errors import EngineError
from starport.terminal.console import printable, tell

SUMMARY = "List the packed models that are kept on disk, or remove them."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of this command."""
    parser.add_argument("--clear", action="store_true", help="remove all of them; the next run packs its model again")


def run(options: argparse.Namespace) -> None:
    """Print a line for each packed model, and the folder. Raises EngineError if the folder cannot be used."""
    cache = user_cache()
    if cache is None:
        raise EngineError("there is no pack cache: STARCHART_CACHE_GB is 0, or there is no home folder")
    try:
        if options.clear:
            size = cache.clear()
            tell(f"{cache.folder}: {in_units(size)} removed")
            return
        packs = cache.packs()
    except OSError as error:
        what = "removed" if options.clear else "read"
        advice = "set STARCHART_CACHE to a folder" if isinstance(error, NotADirectoryError) else "check its permissions"
        raise EngineError(f"{error.filename or cache.folder}: cannot be {what}: {error.strerror}; {advice}") from None
    for name, size, used in packs:
        print(f"{in_units(size):>8}  {time.strftime('%Y-%m-%d %H:%M', time.localtime(used))}  {printable(name)}")
    total = sum(size for _, size, _ in packs)
    tell(f"{cache.folder}: {in_units(total)} of at most {in_units(cache.limit)}; --clear removes it all")
