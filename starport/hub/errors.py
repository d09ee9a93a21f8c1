"""The errors of a download, each as one line that says what is wrong and what to do."""

import errno
import re
from typing import Any

from starchart.errors import CheckpointError
from starchart.hub_cache import cache_folder

_MAX_SHOWN = 200
# Retry-After: 120, or RateLimit: "api";r=0;t=55, where t is the number of seconds to wait
_SECONDS = re.compile(r"(?:\A|;\s*t\s*=\s*)(\d{1,6})\b")


class HubError(CheckpointError):
    """A model could not be downloaded. `what` is the message without the advice at its end."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(f"{what}; {advice}")
        self.what = what


def explained(error: Exception, endpoint: str, repository: str, revision: str) -> Exception:
    """Return a HubError for an error of huggingface_hub, the network or the disk. A CheckpointError is unchanged."""
    from huggingface_hub.errors import (  # noqa: PLC0415  it need not be installed
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    match error:
        case CheckpointError():
            return error
        case GatedRepoError():
            advice = f"ask for access at {endpoint}/{repository}, then set HF_TOKEN or run `hf auth login`"
            return HubError(f"{repository} is gated: its authors must give you access", advice)
        case RevisionNotFoundError():
            advice = f"look for one at {endpoint}/{repository}/tree/main"
            return HubError(f"{repository} has no branch, tag or commit {revision} (--revision)", advice)
        case RepositoryNotFoundError():
            advice = "check the name; for a private one set HF_TOKEN or run `hf auth login`"
            return HubError(f"{endpoint} has no model {repository} that you may read", advice)
        case HfHubHTTPError():
            return _answered(error.response, endpoint)
        case HFValidationError():
            return HubError(f"{repository} is not a valid name of a model of the hub", "check it")
        case OSError(errno=int()):
            return _disk(error)
    if is_of(error, "LocalProtocolError") or isinstance(error, UnicodeEncodeError):  # their messages contain the token
        return HubError(f"nothing can be sent to {endpoint} with this token", "check HF_TOKEN")
    if is_of(error, "RequestError"):
        what = "does not answer" if is_of(error, "TimeoutException") else f"cannot be reached ({one_line(error)})"
        return HubError(f"{endpoint} {what}", "check the network, the proxy and HF_ENDPOINT, and try again")
    if isinstance(error, ValueError | LookupError | TypeError | AttributeError):  # the answer has an unknown form
        advice = "check HF_ENDPOINT, and whether the network requires a login first"
        return HubError(f"what answers at {endpoint} is not the Hugging Face Hub", advice)
    return HubError(f"{type(error).__name__}: {one_line(error)}", "try again later")


def is_of(error: BaseException, kind: str) -> bool:
    """Return whether an error has a class of this name, for the classes of httpx, which need not be installed."""
    return any(base.__name__ == kind for base in type(error).__mro__)


def one_line(text: object) -> str:
    r"""Return the text of another program for a message: printable, on one line, and shortened if it is long.

    >>> one_line("no\nroute" + chr(27))
    'no route?'
    """
    line = "".join(character if character.isprintable() else "?" for character in " ".join(str(text).split()))
    return line if len(line) <= _MAX_SHOWN else line[: _MAX_SHOWN - 3] + "..."


def _answered(response: Any, endpoint: str) -> HubError:
    status, headers = response.status_code, response.headers
    if status == 401:
        advice = "check HF_TOKEN, or unset it for a public model"
        return HubError(f"{endpoint} does not accept your token (401)", advice)
    if status == 403:
        return HubError(f"{endpoint} refuses access (403)", "check the rights of your HF_TOKEN")
    if status == 429:
        wait = _SECONDS.search(headers.get("retry-after", "")) or _SECONDS.search(headers.get("ratelimit", ""))
        after = f"in {wait[1]} seconds" if wait else "in some minutes"
        return HubError(
            f"{endpoint} has received too many requests from you (429)", f"try again {after}, or set HF_TOKEN"
        )
    if status >= 500:
        return HubError(
            f"{endpoint} has an internal error ({status})", "try again later: the bytes received so far are kept"
        )
    return HubError(f"{endpoint} answers with {status}", "check HF_ENDPOINT, and try again later")


def _disk(error: OSError) -> HubError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return HubError(f"the disk of {cache_folder()} is full", "make room, or set HF_HOME to a folder on another one")
    where = error.filename or cache_folder()
    return HubError(f"{where}: {error.strerror}", "set HF_HOME to a folder that can be written to")
