"""A store's API: its address and key, its errors, and what the store can do.

Facts come from the product's developer manual (pages API and Errors) and from the behavior of
releases 4.1 to 4.20.
"""

from __future__ import annotations

import re
import typing as t

import msgspec
from requests.auth import HTTPBasicAuth
from typing_extensions import override

from commerce_taps.api import Api
from commerce_taps.errors import Action, ErrorTable, Message, Rule, TapStopped
from commerce_taps.records.conform import UNREADABLE
from commerce_taps.redact import first_words, redact
from commerce_taps.threads import Once
from tap_cscart.capabilities import NAME, Probe, Store

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Iterator, Mapping

    from requests.auth import AuthBase

ERRORS: t.Final = ErrorTable(
    Rule(
        range(300, 400),
        Action.FAIL,
        "the store redirects to another address, where the tap does not send the key",
        "write `store_url` as the store itself does: with https, with or without `www`, and with "
        "the folder that the store is in",
        recheck=8,
    ),
    Rule(
        (400,),
        Action.FAIL,
        "the store rejects the request ({message})",
        "please report it",
        in_api_form=True,
        recheck=2,
    ),
    Rule(
        (401,),
        Action.STOP,
        "the store does not accept the key",
        "check `email` and `api_key`, that the account is active and has API access, and that the "
        "web server passes the header `Authorization` to PHP (`HTTP_AUTHORIZATION` for nginx and "
        "FastCGI)",
        recheck=3,
    ),
    Rule(
        (403,),
        Action.FORBIDDEN,
        "the account may not read this",
        "give its user group the privilege, or deselect the stream",
    ),
    Rule(
        (404,),
        Action.SKIP,
        "the store does not have this",
        "no action is needed if this release does not have the entity, or if its add-on is off",
    ),
    Rule(
        (404,),
        Action.FAIL,
        "the web server finds nothing at this address",
        "check `store_url`, and set `use_rewrite` to false if the store does not rewrite addresses",
        recheck=2,
    ),
    Rule(
        (400, 403, 406),
        Action.RETRY,
        "a firewall or a content delivery network replied in place of the store ({message})",
        "let it allow the address of the tap, or its `user_agent`, for paths below `/api/`",
    ),
    Rule(
        (429,),
        Action.RETRY,
        "the host limits requests ({message})",
        "lower `requests_per_minute` and `concurrency`",
        on_exhausted=Action.STOP,
    ),
    Rule(
        (503,),
        Action.RETRY,
        "the store is closed, or down for maintenance ({message})",
        "run again once it is open",
        on_exhausted=Action.STOP,
    ),
    # One row with a text that is not UTF-8 empties the whole page it is on.
    Rule(
        (200,),
        Action.RETRY,
        "the response of the store is empty",
        "correct the row whose text is not UTF-8",
        on_exhausted=Action.REDUCE,
    ),
    form=("message", "status"),
)

_TAIL: t.Final = re.compile(
    r"/+((api(\.php)?(/+v?\d+(\.\d+)?(/.*)?)?|index\.php|admin\.php)/*)?$", re.IGNORECASE
)


class CSCartApi(Api):
    """A store, with the rights of one account."""

    errors = ERRORS

    sampling = False
    """Whether discovery reads a few rows of each list, to find the columns of this store."""

    @override
    def __init__(self, config: Mapping[str, t.Any], logger: logging.Logger) -> None:
        super().__init__(config, logger)
        self._store = Once(self._probe)

    @override
    @property
    def base_url(self) -> str:
        return store_address(self.config["store_url"])

    @override
    @property
    def auth(self) -> AuthBase:
        """The account's e-mail and key."""
        return HTTPBasicAuth(self.config["email"].encode(), self.config["api_key"].encode())

    @override
    def message(self, body: bytes) -> Message:
        """Find the store's own message in the body of a failed response.

        Args:
            body: An object with a `message` in the store's language, or the web page of a proxy or
                firewall.

        Returns:
            The message, or the first words of the page.
        """
        try:
            return Message(redact(msgspec.json.decode(body, type=_ApiError).message.strip()))
        except UNREADABLE:
            return Message(first_words(body, tags=False))

    @override
    def start(self) -> None:
        """Probe the store: the replication key of orders in their SCHEMA depends on it."""
        try:
            _ = self.store
        except TapStopped as error:
            raise TapStopped(error.reason, error.where or NAME, remedy=error.remedy) from error

    @override
    def describe_access(self) -> Iterator[str]:
        yield f"The key is accepted. The store: {self.store}."

    @property
    def store(self) -> Store:
        """What the store can do, probed once a run.

        Raises:
            TapStopped: The store cannot be probed.
        """
        return self._store()

    def _probe(self) -> Store:
        store = Probe(self.client, self.config, self.logger).store(company_ids(self.config))
        self.logger.info("The store: %s.", store)
        return store

    @property
    def user_types(self) -> list[str]:
        """The types of accounts to read, each once."""
        return list(dict.fromkeys(self.config["user_types"]))


def company_ids(config: Mapping[str, t.Any]) -> list[int]:
    """List the stores or vendors of the settings, each once; none for the store as a whole."""
    return list(dict.fromkeys(map(int, config.get("company_ids", []))))


def store_address(url: str) -> str:
    """Remove what users copy along with a store's address.

    Args:
        url: For example `https://shop.example/en/api/2.0/products`.

    Returns:
        The store's address without a slash at its end: `https://shop.example/en`.
    """
    return _TAIL.sub("", url)


class _ApiError(msgspec.Struct):
    message: str = ""
