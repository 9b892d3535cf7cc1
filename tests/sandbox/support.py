"""Helpers of the tests of the sandbox."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
import requests

from commerce_sandbox import Sandbox, cli

if TYPE_CHECKING:
    from collections.abc import Iterator

Record = dict[str, Any]


class Client:
    """Reads the fake Codat."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.url = sandbox.codat_url
        self._session = requests.Session()
        key = base64.b64encode(sandbox.api_key.encode()).decode()
        self._session.headers["Authorization"] = f"Basic {key}"

    def get(self, path: str, **parameters: Any) -> requests.Response:  # noqa: ANN401
        return self._session.get(f"{self.url}/{path.lstrip('/')}", params=parameters, timeout=30)

    def json(self, path: str, **parameters: Any) -> Any:  # noqa: ANN401
        response = self.get(path, **parameters)
        assert response.status_code == 200, response.text
        return response.json()

    def error(self, path: str, **parameters: Any) -> tuple[int, str]:  # noqa: ANN401
        response = self.get(path, **parameters)
        body = response.json()
        assert body["statusCode"] == response.status_code
        return response.status_code, body["error"]

    def pages(self, path: str, **parameters: Any) -> Iterator[Any]:  # noqa: ANN401
        page = self.json(path, **parameters)
        yield page
        while "next" in page["_links"]:
            page = self.json(page["_links"]["next"]["href"])
            yield page

    def rows(self, path: str, **parameters: Any) -> list[Record]:  # noqa: ANN401
        return [row for page in self.pages(path, **parameters) for row in page["results"]]

    def close(self) -> None:
        self._session.close()


def run_command_line(*arguments: str) -> int:
    """Run the command line in this process, and return its exit code."""
    with pytest.raises(SystemExit) as exit_info:
        cli.main(arguments)
    return int(exit_info.value.code or 0)
