"""Helpers of these tests: runs of tap-cscart in this process, catalogs, expected rows."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from tap_cscart.streams import STREAMS
from tap_cscart.tap import TapCSCart
from tests.contract import is_exact
from tests.fixtures import FIXTURES
from tests.runs import Runs, in_process

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from commerce_sandbox import Sandbox
    from tests.contract import Key, Output, Record

SAMPLES = FIXTURES / "cscart"
RELEASES = ("4.9", "4.12", "4.20")
KINDS = {str(vars(kind)["name"]): kind for kind in STREAMS}
"""Every stream of the tap, by name."""
SCALE = 0.04


class Taps(Runs):
    """Runs tap-cscart in this process, through its command line."""

    def __init__(self, folder: Path) -> None:
        super().__init__(TapCSCart, settings_for, folder)


def settings_for(sandbox: Sandbox) -> Record:
    """Return the settings of a run against a sandbox."""
    prefix = "TAP_CSCART_"
    found: Record = {
        name.removeprefix(prefix).lower(): value
        for name, value in sandbox.environment.items()
        if name.startswith(prefix)
    }
    return found | {"requests_per_minute": 0}


@cache
def _discovered() -> str:
    return in_process(TapCSCart, "--discover").stdout.decode()


def catalog(
    *names: str, columns: Iterable[str] = (), without: Iterable[str] = ()
) -> dict[str, Any]:
    """Make a catalog.

    Args:
        names: The streams to read; all if none.
        columns: Columns to read that are off by default; "*" for all of those.
        without: Columns not to read.
    """
    made: dict[str, Any] = json.loads(_discovered())
    for entry in made["streams"]:
        for place in entry["metadata"]:
            if not place["breadcrumb"]:
                place["metadata"]["selected"] = not names or entry["tap_stream_id"] in names
                continue
            column = ".".join(place["breadcrumb"][1::2])
            off = place["metadata"].get("selected-by-default") is False
            if column in columns or (off and "*" in columns):
                place["metadata"]["selected"] = True
            elif column in without:
                place["metadata"]["selected"] = False
    return made


# --- truth --------------------------------------------------------------------------------------


def truth(sandbox: Sandbox, output: Output, stream: str) -> dict[Key, Record]:
    """Return the expected rows of a stream in neutral form, by key as in `Output.rows`."""
    names = output.key_names(stream)
    rows = [json.loads(line) for line in sandbox.truth_lines(f"cscart.{stream}")]
    by_key = {tuple(row.get(name, 0) for name in names): row for row in rows}
    assert len(by_key) == len(rows), f"{stream}: rows of truth share a key"
    return by_key


BLANK = {
    *("birthday", "helpdesk_user_id", "is_root", "last_activity", "password_change_timestamp"),
    *("profile_update_timestamp", "purchase_timestamp_from", "purchase_timestamp_to"),
}
"""Columns of numbers, flags and timestamps where an empty text of the store means null."""
COMPUTED = {
    *("applies", "base_price", "discount", "display_subtotal", "list_discount"),
    *("list_discount_prc", "original_price", "payment_surcharge", "price", "rate"),
    *("shipping_tax_value", "subtotal", "subtotal_discount", "tax_subtotal", "tax_value", "total"),
}
"""Amounts that PHP computes, so their digits differ from those in the store."""
PICTURES = {"image_pairs", "main_pair"}
EXTRA: Record = {
    "company_id": 0,
    "detailed_params": {"info_type": "D"},
    "level": 0,
    "product_options": [],
}
"""Columns that the truth lacks, with their values: what only responses have, and the part of the
key of a cart that a store with one company leaves out."""
COMPUTED_BY_LIST = {"group_key": int, "one_full": bool}
"""Columns that a list of shipments computes, often wrongly, and their types."""


def differences(
    got: dict[Key, Record], wanted: dict[Key, Record], *, ignored: Iterable[str] = ()
) -> list[str]:
    """List how rows differ from the expected ones.

    Args:
        got: The tap's rows.
        wanted: Rows in neutral form.
        ignored: Columns that are not compared.
    """
    return [
        *(f"{key} is missing" for key in wanted.keys() - got.keys()),
        *(f"{key} is too much" for key in got.keys() - wanted.keys()),
        *(
            f"{key} {name}: {got[key].get(name, '-')!r} and not {wanted[key].get(name, '-')!r}"
            for key in wanted.keys() & got.keys()
            for name in (wanted[key].keys() | got[key].keys()) - set(ignored)
            if not same(got[key].get(name, MISSING), wanted[key].get(name, MISSING), name)
        ),
    ]


MISSING = object()


def off(stream: str) -> set[str]:
    """Return the columns that are off by default, in whole or in part."""
    columns = KINDS[stream].unselected_columns + KINDS[stream].secret_columns
    return {name.partition(".")[0] for name in columns} | {
        *(("products",) if stream == "carts" else ())  # a stream of their own
    }


def same(got: Any, wanted: Any, name: str = "") -> bool:  # noqa: ANN401 (JSON)
    """Whether an emitted value equals a neutral one, however it is written.

    Neutral values know no schema: money is a text, an object keyed by id is one, and an empty text
    may stand for none where there can be no text.

    Args:
        got: The tap's value, numbers with a fraction exact; `MISSING` if there is none.
        wanted: The neutral one, likewise.
        name: The column, or the field of an object, it is in; that of the list for its entries.
    """
    if wanted is MISSING:
        return (
            is_exact(got, EXTRA[name]) if name in EXTRA else type(got) is COMPUTED_BY_LIST.get(name)
        )
    if got is MISSING or got is None:
        return wanted is None or _is_none(got, wanted, name)
    if isinstance(wanted, dict):
        return _same_object(got, wanted, name)
    if isinstance(wanted, list) and isinstance(got, list):
        pairs = zip(got, wanted, strict=False)
        return len(got) == len(wanted) and all(same(*pair, name) for pair in pairs)
    if isinstance(wanted, str) and not isinstance(got, str):
        return _same_text(got, wanted, name)
    return is_exact(got, wanted) or (got == {} and wanted == [])


def _is_none(got: Any, wanted: Any, name: str) -> bool:  # noqa: ANN401 (JSON)
    """Whether a missing value or column stands for an empty one."""
    if got is MISSING:  # an undeclared column, which the store has for rows with pictures only
        return bool(wanted == {}) and name in PICTURES
    if wanted == "":
        return name in BLANK
    return wanted is False and name == "promotions"  # PHP's array out of an empty column


def _same_text(got: Any, wanted: str, name: str) -> bool:  # noqa: ANN401 (JSON)
    """Compare with a text, which may have become a number or a list of ids."""
    if isinstance(got, list):
        return wanted == ",".join(map(str, got))
    if isinstance(got, bool) or not isinstance(got, (int, float, Decimal)):
        return False
    if isinstance(got, float):  # as only a table keeps it
        return float(wanted) == got
    return str(got) == wanted or (name in COMPUTED and got == Decimal(wanted))


def _same_object(got: Any, wanted: Record, name: str = "") -> bool:  # noqa: ANN401 (JSON)
    """Compare with an object, which may have become a list if it is keyed by id."""
    if isinstance(got, dict):
        return all(
            same(
                got.get(field, MISSING),
                wanted.get(field, MISSING),
                name if name == "applies" else field,  # what a tax comes to, by item
            )
            for field in got.keys() | wanted.keys()
        )
    return (
        isinstance(got, list)
        and len(got) == len(wanted)
        and all(_same_entry(*pair) for pair in zip(got, wanted.items(), strict=True))
    )


def _same_entry(got: Any, wanted: tuple[str, Any]) -> bool:  # noqa: ANN401 (JSON)
    """Compare an entry of a list with what an object has by an id, which the entry holds too."""
    id_, value = wanted
    if not isinstance(got, dict):
        return False
    if not isinstance(value, dict):
        return [str(one) for one in got.values()] == [id_, str(value)]
    added = got.keys() - value.keys()
    return {str(got[name]) for name in added} <= {id_} and _same_object(
        {name: one for name, one in got.items() if name not in added}, value
    )
