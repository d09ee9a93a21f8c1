"""Downloads a model, the small files first: another model than GPT-2 is refused before its weights are downloaded."""

import queue
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from starchart.errors import ConfigError
from starchart.files.json_file import MAX_JSON_BYTES, read_json_file, shown
from starchart.hub_cache import cache_folder
from starchart.model.config import GPT2Config
from starport.hub.client import ENDPOINT, explaining, list_model
from starport.hub.errors import HubError
from starport.hub.fetch import fetch_content
from starport.hub.listing import HubFile, Listing
from starport.hub.needed_files import TENSORFLOW_DATA, is_index, needed_files, shard_names
from starport.hub.snapshot import Snapshot
from starport.terminal.console import tell

T = TypeVar("T")


def download_model(repository: str, revision: str, patience: float, note: str) -> tuple[Path, str]:
    """Return the folder of a model ("org/name") with all its files, and the address that it came from.

    Cached files are not downloaded again. The hub must answer the first request within `patience` seconds. Before the
    weights, a line on standard error gives the size and `note`. Raises HubError, or CheckpointError for a model that is
    not a GPT-2.
    """
    listing = _within(patience, lambda: list_model(repository, revision))
    needed = needed_files(listing.files)
    _check_needed(listing, needed.weights, needed.missing)
    snapshot, weights = Snapshot(repository, listing.commit), listing.file(needed.weights[0])
    # Only small files are downloaded before the size is announced.
    small = [name for name in needed.small if name != TENSORFLOW_DATA]
    for name in [*small, *filter(is_index, needed.weights)]:
        _check_small(listing.file(name), listing)
    with explaining(repository, revision):
        for name in small:
            _fetch(listing, listing.file(name), snapshot)
    if "config.json" in needed.small:
        _check_config(snapshot.folder / "config.json", listing)
    with explaining(repository, revision):
        # The index is linked last: a snapshot with an index counts as complete.
        shards = shard_names(fetch_content(listing, weights, snapshot)) if is_index(weights.name) else []
        data = [name for name in needed.small if name == TENSORFLOW_DATA]
        files = [*map(listing.file, (*data, *shards)), weights]
        _announce(listing, [file for file in files if not snapshot.holds(file)], snapshot, note)
        for file in files:
            _fetch(listing, file, snapshot)
        snapshot.give_name(revision)
    return snapshot.folder, listing.endpoint


def _within(seconds: float, ask: Callable[[], T]) -> T:
    """Return what `ask` returns, or raise what it raises; HubError after `seconds`.

    `ask` runs in a thread of its own, which is abandoned after that time: without a network, looking up the address
    of a host has no time limit.
    """
    answers: queue.Queue[tuple[T | None, Exception | None]] = queue.Queue()

    def work() -> None:
        try:
            answers.put((ask(), None))
        except Exception as error:  # raised again below
            answers.put((None, error))

    threading.Thread(target=work, daemon=True).start()
    try:
        answer, error = answers.get(timeout=seconds)
    except queue.Empty:
        what = f"{ENDPOINT} does not answer within {seconds:.0f} seconds"
        error = HubError(what, "check the network, the proxy and HF_ENDPOINT, and try again")
    if error:
        raise error
    return answer  # type: ignore[return-value]


def _check_needed(listing: Listing, weights: Sequence[str], missing: Sequence[str]) -> None:
    where = f"{listing.endpoint}/{listing.repository}"
    if len(weights) > 1:
        names, command = ", ".join(map(shown, weights[:9])), f"`hf download {listing.repository} NAME`"
        raise HubError(
            f"{where} holds more than one file of weights: {names}", f"get one with {command}, give its path"
        )
    if not weights:
        raise HubError(f"{where} holds no weights in a supported format", "choose another model")
    if missing:
        raise HubError(f"{where} holds no {' and no '.join(missing)}", "choose another model")


def _check_small(file: HubFile, listing: Listing) -> None:
    if file.size > MAX_JSON_BYTES:
        sizes = f"{_in_units(file.size)} long, the limit is {_in_units(MAX_JSON_BYTES)}"
        raise HubError(f"{listing.repository}: {file.name} is {sizes}", "choose another model")


def _check_config(path: Path, listing: Listing) -> None:
    try:
        GPT2Config.from_json(read_json_file(path, ConfigError))
    except ConfigError as error:
        raise ConfigError(f"{listing.repository}: {error}") from None


def _announce(listing: Listing, files: Sequence[HubFile], snapshot: Snapshot, note: str) -> None:
    """Print what will be downloaded. Raises HubError if the disk has too little space."""
    sizes = [file.size - snapshot.size_so_far(file) for file in files]
    if not files:
        return
    needed, cache = sum(sizes), cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(cache).free
    if needed > free:
        what = f"it needs {_in_units(needed)}, and the disk of {cache} has {_in_units(free)} free"
        raise HubError(what, "make room, or set HF_HOME to a folder on another one")
    tell(f"downloading {listing.repository} from {listing.endpoint} to {cache}, {_in_units(needed)}; {note}")


def _in_units(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 10**9 else f"{max(size / 1e6, 0.1):.1f} MB"


def _fetch(listing: Listing, file: HubFile, snapshot: Snapshot) -> None:
    fetch_content(listing, file, snapshot)
    snapshot.link(file)
