"""One line for each error of the Hugging Face Hub's client: what happened and what to do."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from ..common import network_settings
from ..common.cache_roots import hub_root
from ..common.downloads import in_short, is_transport, is_unreachable

if TYPE_CHECKING:
    from .hub import Address


def reason(error: Exception, address: Address, what: str, endpoint: str, client: network_settings.Client) -> str:
    """Return what happened when `what` of a repository was asked for, and what to do."""
    from huggingface_hub import errors

    page = f"{endpoint}/{address.repo_id}"
    login = "log in (hf auth login) or set HF_TOKEN"
    root = error.__cause__ if isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__ else error
    status = getattr(getattr(root, "response", None), "status_code", None)
    if isinstance(root, errors.GatedRepoError):
        return f"{address} is gated; accept its terms at {page}, then {login}"
    if isinstance(root, errors.RevisionNotFoundError):
        return f"{address.repo_id} has no revision {address.revision}; look at {page}/commits/main"
    if isinstance(root, errors.EntryNotFoundError):
        return f"{address} has no file {what}; look at {page}/tree/{address.revision}"
    if isinstance(root, errors.RepositoryNotFoundError) or status in (401, 403, 404):
        return f"{address.repo_id} is not on the Hub, or you have no access (HTTP {status}); check the name, or {login}"
    if status == 429:
        return f"the Hub refuses more requests for now (HTTP 429); wait, or {login} for a higher limit"
    if status is not None:
        return f"the Hub failed (HTTP {status} for {what} of {address}); try again later"
    if wrong := network_settings.fault(client, endpoint, root):
        return wrong
    if is_unreachable(root):
        reason = network_settings.described(in_short(root), client, endpoint)
        return f"{endpoint} cannot be reached ({reason}); check the network, the proxy and HF_ENDPOINT"
    if is_transport(root):
        return f"{what} of {address} broke off ({in_short(root)}); run the same command again"
    if isinstance(root, OSError) and root.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"{hub_root()} is full ({root.strerror}); free some space, or set HF_HOME to another folder"
    if isinstance(root, OSError) and root.errno is not None:
        return f"{root.filename or hub_root()} cannot be written ({root.strerror}); set HF_HOME to a writable folder"
    if isinstance(root, OSError):  # the client's check of the length
        return f"{what} of {address} is incomplete ({in_short(root)}); run the same command again"
    return f"{what} of {address} failed ({in_short(root)})"
