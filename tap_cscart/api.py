"""A store's API: its address and key, its errors, and what the store can do."""

from __future__ import annotations

import typing as t

from requests.auth import HTTPBasicAuth
from typing_extensions import override

from commerce_taps.api import Api
from commerce_taps.errors import TapStopped
from commerce_taps.threads import Once
from tap_cscart.capabilities import NAME, Probe, Store
from tap_cscart.responses import ERRORS, api_message, store_address

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Iterator, Mapping

    from requests.auth import AuthBase

    from commerce_taps.errors import Message


def company_ids(config: Mapping[str, t.Any]) -> list[int]:
    """Read the stores or vendors of the settings, each once; none for the store as a whole."""
    return list(dict.fromkeys(map(int, config.get("company_ids", []))))


class CSCartApi(Api):
    """A store, as one account sees it."""

    errors = ERRORS

    sampling = False
    """Whether discovery reads a few rows of each list, to see which columns the store has."""

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
        return api_message(body)

    @override
    def start(self) -> None:
        """Probe the store, before the first SCHEMA shows by what orders are read."""
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
