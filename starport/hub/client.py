"""The requests to the hub, through huggingface_hub, which must be installed: it gives endpoint, token and time limits.

There are two requests: for the list of files and for a file. The telemetry of the library is turned off, unless the
environment variable HF_HUB_DISABLE_TELEMETRY is already set.
"""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when the library is imported
with warnings.catch_warnings(action="ignore"):
    from huggingface_hub import HfApi, constants, hf_hub_url
    from huggingface_hub import __version__ as library_version
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        build_hf_headers,
        get_session,
        hf_raise_for_status,
    )

from starchart import __version__
from starport.hub.errors import explained
from starport.hub.listing import HubFile, Listing

if library_version.startswith("0."):
    raise ImportError(library_version)  # these versions use another HTTP library

ENDPOINT = constants.ENDPOINT
_NAMED: dict[str, Any] = {"library_name": "starchart", "library_version": __version__}

logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)  # errors are reported once, by starchart


@contextmanager
def explaining(repository: str, revision: str) -> Iterator[None]:
    """Turn every error inside the `with` block into a HubError; a CheckpointError is unchanged."""
    try:
        yield
    except Exception as error:
        raise explained(error, ENDPOINT, repository, revision) from None


def list_model(repository: str, revision: str) -> Listing:
    """Return the list of the files of a model. Raises HubError."""
    with explaining(repository, revision):
        info = HfApi(**_NAMED).model_info(
            repository, revision=revision, files_metadata=True, timeout=constants.HF_HUB_ETAG_TIMEOUT
        )
        return Listing.checked(ENDPOINT, repository, revision, info.sha, info.siblings or [])


@contextmanager
def open_file(listing: Listing, file: HubFile, start: int) -> Iterator[Any]:
    """Request a file from byte `start` on, and yield the response. A server may ignore this and send the whole file.

    If the hub redirects to another host, httpx does not send the token there. Raises errors of httpx and of
    huggingface_hub.
    """
    headers = build_hf_headers(**_NAMED) | {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    url = hf_hub_url(listing.repository, file.name, revision=listing.commit)
    with get_session().stream("GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT) as response:
        hf_raise_for_status(response)
        yield response
