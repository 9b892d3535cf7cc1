"""Groups of products that are variations of one another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commerce_sandbox.cscart.catalog import GROUPING
from commerce_sandbox.cscart.values import Native, NativeTimestamp

if TYPE_CHECKING:
    from commerce_sandbox.cscart.catalog import Table
    from commerce_sandbox.cscart.values import Row


def variation_groups(table: Table) -> Table:
    """Make the groups of products that are variations of one another."""
    members: dict[int, list[Row]] = {}
    for row in table.values():
        if row["parent_product_id"]:
            head = table[row["parent_product_id"]]
            members.setdefault(head["product_id"], [head]).append(row)
    groups: Table = {}
    for number, (first, rows) in enumerate(members.items(), 1):
        groups[number] = {
            "id": Native(number),
            "code": f"PV-{first:04X}",
            "features": [
                {
                    "feature_id": Native(GROUPING),
                    "purpose": "group_variation_catalog_item",
                    "is_purpose_create_catalog_item": Native(value=False),
                    "is_purpose_create_variation_of_catalog_item": Native(value=True),
                }
            ],
            "products": [
                {
                    "product_id": Native(one["product_id"]),
                    "parent_product_id": Native(one["parent_product_id"]),
                    "company_id": Native(one["company_id"]),
                    "feature_values": [
                        {
                            "feature_id": Native(GROUPING),
                            "variant_id": Native(100 * GROUPING + place),
                        }
                    ],
                }
                for place, one in enumerate(rows)
            ],
            "created_at": NativeTimestamp(max(one["timestamp"] for one in rows)),
            "updated_at": NativeTimestamp(max(one["updated_timestamp"] for one in rows)),
        }
    return groups
