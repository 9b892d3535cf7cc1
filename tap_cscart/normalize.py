"""What is odd about the values a store sends, and what each becomes: the one table, by field.

A store sends what its database holds, and a database knows texts only. So a number arrives as a
text or as a number, a flag as `"Y"`, an instant as unix seconds, an empty object as `[]`, and a
list of rows as an object keyed by their ids. Each field of the table is brought into one form:

| In the table under | The store sends | Emitted |
| --- | --- | --- |
| `FLAGS` | `"Y"`, `"N"` | `true`, `false` |
| `COUNTS` | `"12"` or `12` | `12` |
| `AMOUNTS` | `"12.50"` or `12.5` | `12.50` or `12.5`: a number with the digits it came with |
| `INSTANTS` | `"1763990401"` | `"2025-11-24T13:20:01Z"`; `"0"` and zero dates stand for none |
| `ID_LISTS` | `"6,7"`, `["6", "7"]`, `""` | `[6, 7]`, `[]` |
| `OBJECTS`, `OPAQUE` | an object, `[]` if empty | the object, `{}` |
| `KEYED` | an object keyed by id, `[]` if empty | a list of objects that hold their id |

An empty text stands for none in all of these, but for the last three. Every other field is left as
it came: texts, PHP-serialised ones among them, and the columns of add-ons. So is a value that is
not of the form it should have; nothing is guessed.

A field is known by its name, wherever in a record it stands, for the store uses a name for one
thing; where it does not, `EXCEPTIONS` says so. Inside of what is `OPAQUE` nothing is touched.
"""

from __future__ import annotations

import re
import typing as t
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import cache, partial

from commerce_taps.records import dates

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Undo = Callable[[t.Any], t.Any]

# --- the table ----------------------------------------------------------------------------------

FLAGS: t.Final = """
    after age_verification anonymized comparison display_including_tax display_on_catalog
    display_on_header display_on_product edp_shipping free_shipping is_buyer is_default is_edp
    is_global is_op is_oper is_parent_order is_pbp is_primary is_returnable is_root is_trash
    multiupload notify parent_age_verification payment_received price_includes_tax repay
    required shared_product stored_price tax_exempt temp unlimited_download use_avail_period
"""

COUNTS: t.Final = """
    age_limit amount block_id box_height box_length box_width cart_id cart_products category_id
    combination_hash company_id credit_memo_id cur_product_id currency_id decimals destination_id
    detailed_id exception_id feature_id group_key group_position height helpdesk_user_id image_id
    image_x image_y images_count invoice_id issuer_id item_id lang_id length level link_id
    list_discount_prc list_qty_count list_qty_count_raw localization_id low_avail_limit
    main_category max_file_size max_items_in_box max_qty max_qty_raw min_items_in_box min_qty
    min_qty_raw new_window object_id option_id order_id page_id pair_id parent_age_limit parent_id
    parent_order_id parent_product_id payment_id points popularity position post_id priority
    processor_id product_columns product_count product_id product_review_id profile_id
    promotion_id qty_step qty_step_raw rate_id rating_value repaid reply_user_id request_id
    request_user_id return_period section_id section_tab_id shipment_amount shipment_id
    shipped_amount shipping_id status_id storefront_id subscriber_id tax_id thread_id user_id
    usergroup_id variant_id vote_down vote_up width
"""

AMOUNTS: t.Final = """
    a_surcharge average_rating base_price base_rate coefficient discount display_shipping_cost
    display_subtotal list_discount list_price max_weight min_weight modifier original_price
    p_surcharge payment_surcharge point_modifier price rate rate_value shipping_cost
    shipping_freight shipping_tax_value subtotal subtotal_discount tax_subtotal tax_value total
    value_int weight weight_modifier
"""

INSTANTS: t.Final = """
    avail_from_timestamp avail_since avail_till_timestamp birthday created_at date last_activity
    last_login order_timestamp password_change_timestamp product_review_timestamp
    profile_update_timestamp purchase_timestamp_from purchase_timestamp_to reply_timestamp
    shipment_timestamp timestamp updated_at updated_timestamp
"""

ID_LISTS: t.Final = """
    categories_path category_ids promotion_ids shipment_ids shipping_ids storefront_ids
    storefront_ids_raw tax_ids usergroup_ids
"""

OBJECTS: t.Final = """
    applies carrier_info detailed detailed_params discounts doc_ids extra helpfulness icon image
    image_pair main_pair params payment_method reply selected_views user_data
"""

OPAQUE: t.Final = "payment_info processor_params properties"
"""What gateways and blocks keep for themselves. Where it is a PHP-serialised text,
it stays one."""

KEYED: t.Final[Mapping[str, tuple[str, ...]]] = {
    "combination": ("option_id", "variant_id"),
    "coupons": ("coupon", "promotion_ids"),
    "fields": ("field_id", "value"),
    "image_pairs": ("pair_id",),
    "product_features": ("feature_id",),
    "product_options": ("option_id", "variant_id"),
    "promotions": ("promotion_id",),
    "rates": ("destination_id",),
    "responsible": ("user_id", "name"),
    "selected_options": ("option_id", "variant_id"),
    "taxes": ("tax_id",),
    "usergroups": ("usergroup_id",),
    "variants": ("variant_id",),
    "variation_features": ("feature_id",),
}
"""Objects keyed by id: what the key is called, and where the values are no objects, what those
are."""

EXCEPTIONS: t.Final[Mapping[str, Mapping[str, tuple[str, ...] | str]]] = {
    "call_requests": {"cart_products": ()},
    "master_products": {"A": "AMOUNTS", "P": "AMOUNTS"},
    "orders": {"products": ("item_id",)},
    "product_reviews": {"helpfulness": "COUNTS"},
    "product_variation_groups": {"id": "COUNTS"},
    "products": {"A": "AMOUNTS", "P": "AMOUNTS"},
    "shipments": {"products": ("item_id", "amount")},
}
"""By stream: names that stand for an object keyed by id there, for a number as well, or for nothing
odd."""

# --- what each kind becomes ---------------------------------------------------------------------

_WHOLE: t.Final = re.compile(r"0|-?[1-9]\d{0,17}", re.ASCII)
_NUMBER: t.Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?", re.ASCII)
_NO_DATE: t.Final = re.compile(r"0000-00-00([ T]00:00:00)?Z?", re.ASCII)
_EPOCH: t.Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_CALENDAR: t.Final = range(-62_135_596_800, 253_402_300_800)
"""Seconds from the epoch to the beginning of the year 1, and to the end of the year 9999."""


def _flag(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
    return {"Y": True, "N": False, "": None}.get(value, value) if isinstance(value, str) else value


def count(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
    """Read an id or a count.

    Args:
        value: What the store sent.

    Returns:
        The number; `None` for an empty text; any other value as it came.
    """
    if not isinstance(value, str):
        return value
    # A text with a zero in front, or too long for 64 bits, is an identifier and no number.
    return int(value) if _WHOLE.fullmatch(value) else None if value == "" else value


def _amount(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
    if not isinstance(value, str):
        return value
    return Decimal(value) if _NUMBER.fullmatch(value) else None if value == "" else value


def _number(value: t.Any, number: Undo, other: Undo | None) -> t.Any:  # noqa: ANN401 (JSON)
    return number(value) if other is None or isinstance(value, str) else other(value)


def _instant(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
    seconds = count(value)
    if isinstance(seconds, bool) or not isinstance(seconds, int):
        return None if isinstance(seconds, str) and _NO_DATE.fullmatch(seconds) else seconds
    if seconds == 0:
        return None
    if seconds not in _CALENDAR:
        return value
    return dates.render(_EPOCH + timedelta(seconds=seconds))


def _id_list(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
    if isinstance(value, str):
        ids = [count(part.strip()) for part in value.split(",")] if value else []
        return ids if all(isinstance(one, int) for one in ids) else value
    if isinstance(value, int) and not isinstance(value, bool):
        return [value]
    return [count(one) for one in value] if isinstance(value, list) else value


def _object(value: t.Any, table: Mapping[str, Undo]) -> t.Any:  # noqa: ANN401 (JSON)
    return {} if value == [] else _deep(value, table)


def _opaque(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
    return {} if value == [] else value


def _keyed(value: t.Any, table: Mapping[str, Undo], names: tuple[str, ...]) -> t.Any:  # noqa: ANN401 (JSON)
    if value is False:  # what PHP makes of an empty column that should hold a list
        return None
    if not isinstance(value, dict):
        return _deep(value, table)
    key, *item_name = names
    found = []
    for id_, item in value.items():
        if isinstance(item, dict):
            found.append(_record({**item, key: item[key]} if key in item else {key: id_, **item},
                                 table))  # fmt: skip
        elif item_name:
            found.append(_record({key: id_, item_name[0]: item}, table))
        else:
            return _deep(value, table)
    return found


def _deep(value: t.Any, table: Mapping[str, Undo]) -> t.Any:  # noqa: ANN401 (JSON)
    """Undo what is odd inside of a value."""
    if isinstance(value, dict):
        return _record(value, table)
    if isinstance(value, list):
        return [_deep(item, table) for item in value]
    return value


def _record(record: Mapping[str, t.Any], table: Mapping[str, Undo]) -> dict[str, t.Any]:
    found = {}
    for name, value in record.items():
        undo = table.get(name)
        if undo is not None:
            found[name] = undo(value)
        else:
            found[name] = _deep(value, table) if isinstance(value, (dict, list)) else value
    return found


# --- for the streams ----------------------------------------------------------------------------


@cache
def table(stream: str) -> Mapping[str, Undo]:
    """Put a stream's table together.

    Args:
        stream: The stream's name.

    Returns:
        For each field with something odd about it the function that undoes it.
    """
    found: dict[str, Undo] = {}

    def add(names: Iterable[str], undo: Undo) -> None:
        found.update(dict.fromkeys(names, undo))

    def add_keyed(name: str, key: tuple[str, ...]) -> None:
        found[name] = partial(_keyed, table=found, names=key)

    add(FLAGS.split(), _flag)
    add(COUNTS.split(), count)
    add(AMOUNTS.split(), _amount)
    add(INSTANTS.split(), _instant)
    add(ID_LISTS.split(), _id_list)
    add(OBJECTS.split(), partial(_object, table=found))
    add(OPAQUE.split(), _opaque)
    for name, key in KEYED.items():
        add_keyed(name, key)
    numbers: Mapping[str, Undo] = {"AMOUNTS": _amount, "COUNTS": count}
    for name, meaning in EXCEPTIONS.get(stream, {}).items():
        if isinstance(meaning, str):
            found[name] = partial(_number, number=numbers[meaning], other=found.get(name))
        elif meaning:
            add_keyed(name, meaning)
        else:
            found.pop(name)
    return found


def undone(record: Mapping[str, t.Any], stream: str) -> dict[str, t.Any]:
    """Undo what is odd about a decoded record.

    Args:
        record: The record, numbers with a fraction as `Decimal`.
        stream: The stream it is of.

    Returns:
        A new record. A value that is nested too deeply to be walked stays as it came.
    """
    known = table(stream)
    try:
        return _record(record, known)
    except RecursionError:
        return {name: _reached(name, value, known) for name, value in record.items()}


def _reached(name: str, value: t.Any, table: Mapping[str, Undo]) -> t.Any:  # noqa: ANN401 (JSON)
    try:
        return _record({name: value}, table)[name]
    except RecursionError:
        return value
