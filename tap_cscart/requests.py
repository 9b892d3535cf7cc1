"""Builds requests in the form a store understands.

Facts come from the product's developer manual (page API, and those of the entities). The tap only
reads: every request is a GET.
"""

from __future__ import annotations

import typing as t

from commerce_taps.http import Request

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Params = Mapping[str, str | int | Sequence[str]]


def build_request(
    config: Mapping[str, t.Any],
    path: Sequence[str],
    params: Params,
    *,
    version: str = "",
    stream: str = "",
    context: Mapping[str, t.Any] | None = None,
    divisible: bool = False,
) -> Request:
    """Build a request.

    Args:
        path: Segments of the path below the API's address.
        params: Query parameters; one whose value is a list is sent once for each entry.
        version: Version of the API, if not the one of the settings.
        stream: As for `Request`.
        context: As for `Request`.
        divisible: As for `Request`.

    Returns:
        The request. If the store does not rewrite addresses, the path is the parameter `_d` of
        `api.php`.
    """
    version = version or config["api_version"]
    query: list[tuple[str, str | int]] = []
    for name, value in params.items():
        values = [value] if isinstance(value, (str, int)) else value
        query += [(name, one) for one in values]
    segments = ("api", version, *path)
    if not config["use_rewrite"]:
        query = [("_d", "/".join((version, *path))), ("ajax_custom", 1), *query]
        segments = ("api.php",)
    return Request(segments, query, stream=stream, context=context or {}, divisible=divisible)
