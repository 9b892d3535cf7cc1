"""How the Order API writes its records, quirks and all, and how a perfect extraction has them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from commerce_sandbox.centra.integration_truth import in_utc
from commerce_sandbox.centra.order_records import Flag, Id, Timestamp
from commerce_sandbox.centra.values import ZONE, local

if TYPE_CHECKING:
    from commerce_sandbox.centra.order_records import Record

_FORMS: Final = {"second": "%Y-%m-%d %H:%M:%S", "minute": "%Y-%m-%d %H:%M", "day": "%Y-%m-%d"}
_NO_DATE: Final = {
    **dict.fromkeys(
        (
            "cancelDate",
            "preferredDeliveryDate",
            "estimatedDeliveryDate",
            "shippedDate",
            "shipmentDate",
        ),
        "0000-00-00 00:00:00",
    ),
    "stopDate": "0000-00-00",
    **dict.fromkeys(("accountId", "shippingTerms", "paymentTerms"), ""),
}
"""The empty value by column; null for the others."""


def served(record: Record) -> Record:
    """Write a record as the API does.

    Ids are text where they are `Id`s, flags are 1 and 0, timestamps are on the merchant's clocks.
    One price in three is text, and so are even quantities in warehouses.
    """
    return {name: _served(name, value) for name, value in record.items()}


def _served(name: str, value: Any) -> Any:  # noqa: ANN401, PLR0911 (JSON; one for each kind)
    if value is None:
        return _NO_DATE.get(name)
    if isinstance(value, Id):
        return str(int(value))
    if isinstance(value, Flag):
        return int(value.value)
    if isinstance(value, Timestamp):
        shown = local(value.at)
        return shown.isoformat() if value.form == "iso" else shown.strftime(_FORMS[value.form])
    if isinstance(value, dict):
        return served(value)
    if isinstance(value, list):
        return [_element(name, place, _served("", one)) for place, one in enumerate(value)]
    return value


def _element(name: str, place: int, one: Any) -> Any:  # noqa: ANN401 (JSON)
    if name == "prices" and place % 3 == 1:
        return one | {"price": f"{one['price']:.2f}"}
    if name == "warehouses" and int(one["itemQty"]) % 2 == 0:
        return one | {"itemQty": str(one["itemQty"])}
    return one


def neutral(value: Any) -> Any:  # noqa: ANN401 (JSON)
    """Write a record as a perfect extraction has it."""
    if isinstance(value, Id):
        return int(value)
    if isinstance(value, Flag):
        return value.value
    if isinstance(value, Timestamp):
        return _timestamp(value)
    if isinstance(value, dict):
        return {name: neutral(one) for name, one in value.items()}
    if isinstance(value, list):
        return [neutral(one) for one in value]
    return value


def _timestamp(value: Timestamp) -> str:
    """Write a timestamp in UTC, no finer than the API has it; a day stays a day."""
    if value.form == "day":
        return f"{local(value.at):%Y-%m-%d}"
    return in_utc(value.at - value.at % 60 if value.form == "minute" else value.at)


def parse_timestamp(text: str) -> int:
    """Read a timestamp of a parameter, on the merchant's clocks.

    Raises:
        ValueError: It is not written as `YYYY-mm-dd` or `YYYY-mm-dd HH:MM:SS`.
    """
    form = _FORMS["day"] if len(text) == len("2024-05-31") else _FORMS["second"]
    # A zone is given at once: the text has none.
    return int(datetime.strptime(text, form).replace(tzinfo=ZONE).timestamp())
