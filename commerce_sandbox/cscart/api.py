"""The REST API as an ASGI application."""

from __future__ import annotations

import base64
import binascii
import re
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response

from commerce_sandbox.cscart.call import Call
from commerce_sandbox.cscart.entities import ENTITIES, Entity
from commerce_sandbox.cscart.query import Parameters, parse
from commerce_sandbox.cscart.responses import ApiError, encode, error_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

    from commerce_sandbox.cscart.accounts import Account
    from commerce_sandbox.cscart.store import Store

ROOT: Final = "/cscart"
_VERSION: Final = re.compile(r"\d+(\.\d+)?")
_UNSAID: Final = "2.1"
"""The version that applies where none is given, in every supported release."""
_WHOLE_LIST: Final = "1.0"
_ENVELOPED_ALWAYS: Final = "products"
_JSON_TYPES: Final = {"application/json", "application/*", "*/*", "text/json"}
_PLAIN: Final = "text/plain"
_PAGE: Final = b"<!DOCTYPE html><html><head><title>Page not found</title></head></html>"
_ON_A_ROW: Final = 2
_BELOW_A_ROW: Final = 3


class Api:
    """Serves requests from the store.

    Args:
        store: The content of the fake API.
        accounts: The accounts with access, by e-mail.
    """

    def __init__(self, store: Store, accounts: Mapping[str, Account]) -> None:
        self._store = store
        self._accounts = accounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request."""
        request = Request(scope)
        headers: dict[str, str] = {}
        media_type = "application/json"
        try:
            target = self._target(request)
            if target is None:
                status, body, media_type = 404, _PAGE, "text/html"
            else:
                status, body = 200, self._respond(request, *target)
        except ApiError as error:
            status, body = error.status, error_body(self._store.setup, error.status, error.text)
            if status == 401:  # noqa: PLR2004 (unauthorized)
                headers["WWW-Authenticate"] = 'Basic realm="REST API"'
        if status == 200 and _accepted(request) == {_PLAIN}:  # noqa: PLR2004 (OK)
            body, media_type = b"Array\n(\n)\n", _PLAIN
        await Response(body, status, headers, media_type=media_type)(scope, receive, send)

    def _target(self, request: Request) -> tuple[str, Parameters] | None:
        """Return path and parameters of a call; none for a page of the storefront."""
        path = unquote(request.scope["raw_path"].decode("ascii").removeprefix(ROOT))
        parameters = parse(request.scope["query_string"].decode("ascii"))
        if path == "/api.php":
            return str(parameters.pop("_d", "")), parameters
        if self._store.setup.rewrite and path.startswith("/api/"):
            return path.removeprefix("/api/"), parameters
        return None

    def _respond(self, request: Request, path: str, parameters: Parameters) -> bytes:
        account = self._account(request)
        accepted = _accepted(request)
        if not accepted & _JSON_TYPES and accepted != {_PLAIN}:
            raise ApiError(406)
        segments = path.removesuffix("/").split("/")
        version = _UNSAID
        if _VERSION.fullmatch(segments[0]):
            version = segments.pop(0)
        known = {"1.0", "2.0", "2.1", "4.0"} | (
            {"4.1"} if self._store.setup.since("4.20") else set()
        )
        if version not in known or not all(segments) or not segments:
            raise ApiError(404)
        if request.method != "GET":
            raise ApiError(405)
        if segments == ["version"]:
            return encode({"Version": version})
        if segments == ["versions"] and self._store.setup.since("4.20"):
            return encode(sorted(known))
        company = account.company_id
        if segments[0] in {"stores", "vendors"} and len(segments) > _ON_A_ROW:
            company = self._company(account, *segments[:2])
            segments = segments[2:]
        call = Call(
            store=self._store,
            parameters=parameters,
            version=version,
            company=company,
            preferred=request.headers.get("accept-language", "")[:2],
            now=time.time(),
        )
        return encode(self._find(account, call, segments))

    def _account(self, request: Request) -> Account:
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        try:
            email, _, key = base64.b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise ApiError(401) from None
        account = self._accounts.get(email)
        if kind.lower() != "basic" or not account or account.key != key or not account.active:
            raise ApiError(401)
        return account

    def _company(self, account: Account, entity: str, key: str) -> int:
        """Read the company of `stores/ID/…`; an account of another company has no access."""
        if not key.isdigit() or int(key) not in self._store.companies:
            raise ApiError(404)
        if account.company_id not in {0, int(key)}:
            raise ApiError(403)
        self._check(account, self._entity(entity, _UNSAID))
        return int(key)

    def _entity(self, name: str, version: str) -> Entity:
        entity = ENTITIES.get(name)
        if (
            entity is None
            or not entity.exists(self._store.setup)
            or (version == _WHOLE_LIST and not entity.before_2)
            or (entity.version is not None and not version.startswith(entity.version))
        ):
            raise ApiError(404)
        return entity

    def _check(self, account: Account, entity: Entity) -> None:
        if account.vendor and self._store.setup.since("4.20"):
            allowed = entity.vendors
        else:
            allowed = account.privileges is None or entity.privilege in account.privileges
        if not allowed:
            raise ApiError(403)

    def _find(self, account: Account, call: Call, segments: list[str]) -> Any:  # noqa: ANN401 (JSON)
        entity = self._entity(segments[0], call.version)
        child = None
        if len(segments) >= _BELOW_A_ROW:
            child = entity.children.get(segments[2])
            if child is None or len(segments) > _BELOW_A_ROW:
                raise ApiError(404)
            self._check(account, self._entity(child[0], call.version))
        self._check(account, entity)
        if child is not None:
            return child[1](call, segments[1])
        if len(segments) == _ON_A_ROW:
            if entity.one is None:
                raise ApiError(404)
            return entity.one(call, segments[1])
        if entity.every is None:
            raise ApiError(404)
        found = entity.every(call)
        if call.version == _WHOLE_LIST and segments[0] != _ENVELOPED_ALWAYS and "params" in found:
            return found[segments[0]]
        return found


def _accepted(request: Request) -> set[str]:
    parts = request.headers.get("accept", "*/*").split(",")
    return {part.partition(";")[0].strip().lower() for part in parts}
