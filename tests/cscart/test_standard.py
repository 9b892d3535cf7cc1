"""The Singer SDK's own tests of a tap, over HTTP, every stream of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from tap_cscart.tap import TapCSCart
from tests.cscart.support import catalog, settings_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from commerce_sandbox import Sandbox

# The SDK wants the settings before there is a store; they are filled in below.
SETTINGS: dict[str, Any] = {
    "store_url": "https://not.known.yet",
    "email": "not@known.yet",
    "api_key": "not known yet",
}

SdkTests = get_tap_test_class(
    TapCSCart,
    config=SETTINGS,
    catalog=catalog(),
    suite_config=SuiteConfig(
        max_records_limit=30,
        # What a CS-Cart of release 4.20 does not have.
        ignore_no_records_for_streams=["vendors", "master_products", "product_option_combinations"],
    ),
    parse_env_config=False,
)


@pytest.fixture(scope="module", autouse=True)
def settings(stores: Callable[..., Sandbox]) -> None:
    # Pages below the limit, or what comes inside of rows would not be reached.
    SETTINGS.update(settings_for(stores()) | {"new_fields": "drop", "page_size": 25})


# Warnings are errors here. These are remarks on the data: not every row has every field.
@pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in records:UserWarning")
@pytest.mark.filterwarnings("ignore:No records were available to test:UserWarning")
class TestTapCSCart(SdkTests):  # type: ignore[misc, valid-type]
    """The suite."""
