"""Download from Google Drive through gdown (extra `upstream`).

A download always gets the same file name, in its own folder, whatever name the server gives.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ...common import extras, files, network_settings
from ...common.downloads import CONNECT_TIMEOUT, READ_TIMEOUT, TEMPORARY, WAITS, in_short, pause
from ...common.errors import WeightsUnavailableError
from ...common.progress import transfer
from .pickles import MAX_BYTES

_FILE = "original.pth"
_PART = f"{_FILE}download.part"  # a name like gdown's own (eight characters and ".part"), so that gdown resumes it
_SIZE = "size"  # of the whole file, as the server stated it when the download began
DRIVE = "https://drive.google.com"
_TIMEOUT = (CONNECT_TIMEOUT, READ_TIMEOUT)


def download(file_id: str, folder: Path, check_size: Callable[[int], None]) -> Path:
    """Download a file into the folder of its own; a partial download is continued.

    Args:
        check_size: called with the size that the server states; it may raise.

    Raises WeightsUnavailableError if that is impossible; the message says why.
    """
    target = folder / _FILE
    if target.exists():  # complete, but not converted: the process was killed, or the disk was full
        return target
    gdown = _gdown()
    if not (folder / _SIZE).exists():  # the beginning may belong to another file
        _begin_anew(folder)
    (folder / _PART).touch()  # gdown continues it; its own file would ignore the umask
    with _progress(folder, check_size) as progress:
        _persistently(
            lambda: gdown.download(
                id=file_id,
                output=str(target),
                quiet=True,
                use_cookies=False,
                resume=True,
                timeout=_TIMEOUT,
                progress=progress,
            ),
            f"{DRIVE}/uc?id={file_id}",
            folder,
        )
    return target


def listing(folder_id: str) -> list[tuple[str, str]]:
    """Return (id, path) of all files of a folder, without downloading any."""
    gdown = _gdown()
    url = f"{DRIVE}/embeddedfolderview?id={folder_id}"
    listed = _persistently(
        lambda: gdown.download_folder(
            id=folder_id, skip_download=True, quiet=True, use_cookies=False, timeout=_TIMEOUT
        ),
        url,
    )
    return [(file.id, file.path) for file in listed]


def _gdown():
    try:
        import gdown
    except ImportError:
        raise WeightsUnavailableError(
            f"files on Google Drive need gdown, which is not installed ({extras.install('upstream')})"
        ) from None
    return gdown


def _persistently(request: Callable, url: str, folder: Path | None = None):
    """Return the result of a gdown request, retried while it makes progress, or while Google asks to wait."""
    waits, received, restarted = iter(WAITS), _received(folder), False
    while True:
        try:
            return request()
        except _AnotherFileError:
            _begin_anew(folder)
        except Exception as error:
            if not _of_gdown(error):
                raise
            if wrong := network_settings.fault(network_settings.REQUESTS, url, error):
                raise WeightsUnavailableError(wrong) from error
            before, received = received, _received(folder)
            if received > before:  # the connection broke; request the rest
                waits = iter(WAITS)
                continue
            status, headers = _ask(url)
            wait = next(waits, None)
            if wait is not None and (status in TEMPORARY or (status is None and received)):
                time.sleep(pause(headers, wait))
            elif status is not None and status < 400 and received and not restarted:  # the rest is refused; start again
                restarted, received = True, 0
                _begin_anew(folder)
            else:
                raise WeightsUnavailableError(_refusal(error, status, url)) from error


def _of_gdown(error: Exception) -> bool:
    from gdown import DownloadError
    from requests import RequestException

    # without an errno: certificates that requests does not find, proxies that urllib3 does not know
    of_settings = isinstance(error, ValueError) or (type(error) is OSError and error.errno is None)
    return of_settings or isinstance(error, DownloadError | RequestException)


class _AnotherFileError(Exception):
    """The file has another size than when its download began, as its authors have replaced it."""


def _received(folder: Path | None) -> int:
    return (folder / _PART).stat().st_size if folder else 0


def _begin_anew(folder: Path | None) -> None:
    if folder is None:  # nothing was kept
        return
    (folder / _SIZE).unlink(missing_ok=True)
    (folder / _PART).write_bytes(b"")


def _ask(url: str) -> tuple[int | None, Mapping[str, str]]:
    """Return HTTP status and headers of an address, which gdown does not report; status None without an answer."""
    from requests import RequestException

    try:
        return ask(url)
    except (RequestException, ValueError):
        return None, {}


def ask(url: str = DRIVE, timeout: float = CONNECT_TIMEOUT) -> tuple[int, Mapping[str, str]]:
    """Return HTTP status and headers of an address, asked as gdown asks; raises what requests raises."""
    import requests

    with requests.get(url, stream=True, timeout=timeout) as response:
        return response.status_code, response.headers


def _refusal(error: Exception, status: int | None, url: str) -> str:
    if status is None:
        reason = network_settings.described(in_short(error), network_settings.REQUESTS, url)
        return f"Google Drive cannot be reached ({reason}); check the network and the proxy"
    if status in (401, 403):
        return f"Google Drive restricts {url} (HTTP {status}); open it in a browser"
    if status == 404:
        return f"Google Drive no longer has {url} (HTTP 404)"
    if status in TEMPORARY:
        return f"Google Drive is busy or failing (HTTP {status} for {url}); try again later"
    # gdown's message is a paragraph with the reason in the middle
    text = re.sub(r"^Failed to retrieve file url:|You may still be able to.*", "", " ".join(str(error).split()))
    return f"Google Drive refuses {url} ({in_short(Exception(text.strip()))}); open it in a browser"


@contextmanager
def _progress(folder: Path, check_size: Callable[[int], None]) -> Iterator[Callable[[int, int | None], None]]:
    """Yield a progress callback that enforces the size limit and the unchanged size; on a terminal it shows a bar."""
    with transfer("Google Drive") as update:

        def show(received: int, total: int | None) -> None:
            if max(received, total or 0) > MAX_BYTES:
                raise WeightsUnavailableError(
                    f"the file is larger than {MAX_BYTES >> 30} GiB, too large for a checkpoint"
                )
            if total is not None:
                _check_size(folder / _SIZE, total)
                check_size(total)
            update(received, total)

        yield show


def _check_size(record: Path, total: int) -> None:
    if not record.exists():
        files.write_atomically(record, str(total).encode())
    elif record.read_bytes() != str(total).encode():
        raise _AnotherFileError
