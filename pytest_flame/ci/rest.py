"""A small client for the REST interfaces of forges: JSON over HTTP, and errors that say what to do."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from pytest_flame.errors import FlameError

TIMEOUT_S: Final = 30.0
_MOST_BYTES: Final = 32 << 20


class ApiError(FlameError):
    """The forge could not be asked, or refused. ``status`` is the HTTP status, None if there was no answer."""

    def __init__(self, what: str, *, why: str = "", fix: str = "", status: int | None = None) -> None:
        super().__init__(what, why=why, fix=fix)
        self.status = status


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Following one would send the token to wherever it leads."""

    def redirect_request(self, *_: object) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Api:
    """``base`` is an ``http`` or ``https`` address. ``secret`` are headers that no message shows."""

    base: str
    secret: Mapping[str, str] = field(repr=False)
    fixes: Mapping[int, str]
    """What to do, by the HTTP status of an answer."""
    timeout_s: float = TIMEOUT_S

    def get(self, path: str, **query: str | int) -> Any:
        return self._ask("GET", f"{path}?{urlencode(query)}" if query else path, None)

    def post(self, path: str, document: Mapping[str, str]) -> Any:
        return self._ask("POST", path, document)

    def change(self, path: str, document: Mapping[str, str], *, method: str) -> Any:
        return self._ask(method, path, document)

    def _ask(self, method: str, path: str, document: Mapping[str, str] | None) -> Any:
        """The answer's JSON. Raises ``ApiError``, whatever went wrong."""
        address = f"{self.base.rstrip('/')}/{path}"
        if urlsplit(address).scheme not in ("http", "https"):
            raise ApiError(f"{self.base!r} is not the address of an API", why="expected https://…")
        data = None if document is None else json.dumps(document).encode("ascii")
        headers = {"Accept": "application/json", "User-Agent": "pytest-flame"}
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(address, data, {**headers, **self.secret}, method=method)
        asked = f"{method} {address.partition('?')[0]}"
        try:
            with urllib.request.build_opener(_NoRedirect).open(request, timeout=self.timeout_s) as answer:
                return json.loads(answer.read(_MOST_BYTES))
        except urllib.error.HTTPError as e:
            with e:
                said = _message(e)
            raise ApiError(
                f"{asked} was answered with {e.code} {e.reason}",
                why=said,
                fix=self.fixes.get(e.code, ""),
                status=e.code,
            ) from e
        except (OSError, HTTPException) as e:
            reason = getattr(e, "reason", e)
            raise ApiError(f"{asked} was not answered", why=str(reason) or type(e).__name__) from e
        except ValueError as e:
            raise ApiError(f"{asked} was answered with something else than JSON", why=str(e)) from e


def _message(error: urllib.error.HTTPError) -> str:
    """What the forge says about it, if it says so."""
    try:
        document = json.loads(error.read(_MOST_BYTES))
    except (OSError, HTTPException, ValueError):
        return ""
    return str(document.get("message") or document.get("error") or "") if isinstance(document, dict) else ""
