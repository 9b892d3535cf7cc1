"""A fault in the tap itself: it costs its partition, and no traceback reaches the user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_codat.api import CodatApi
from tests.codat.support import KINDS, catalog, truth

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from commerce_sandbox import Sandbox
    from tests.codat.support import Taps

PRODUCTS, ORDERS = "commerce_products", "commerce_orders"


def test_error_in_reader_fails_only_its_partition(
    run: Taps, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = sandbox.truth(PRODUCTS)[0]["connectionId"]
    kind: Any = KINDS[PRODUCTS]
    read = kind.read

    def faulty(stream: object, context: dict[str, Any], start: object) -> Iterator[object]:
        yield from read(stream, context, start)
        if context["connectionId"] == bad:
            raise KeyError(context["companyId"])

    monkeypatch.setattr(kind, "read", faulty)
    ended = run(sandbox, catalog=catalog(commerce_products=None, commerce_orders=None))
    assert ended.code == 1
    assert "unexpected error in the tap (KeyError in test_unforeseen.py:" in ended.log
    assert ended.summary(PRODUCTS)["failed"] == 1
    assert "unhandled" not in ended.log
    for stream in (PRODUCTS, ORDERS):
        assert ended.output.rows(stream) == truth(sandbox, ended.output, stream)


def test_error_before_first_read_ends_run_in_one_message(
    run: Taps, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(CodatApi, "companies", property(faulty))
    ended = run(sandbox, catalog=catalog(commerce_products=None))
    assert ended.code == 1
    assert "Stopped: commerce_products: unexpected error in the tap (ZeroDivisionError" in ended.log
    assert "unhandled" not in ended.log
