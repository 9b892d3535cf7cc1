"""The Singer SDK's own tests of a tap, over HTTP, every stream of both APIs.

What they leave out (keys that come twice, the state's values, what a second run brings) is in the
modules beside this one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from tap_centra.tap import TapCentra
from tests.centra.support import INTEGRATION, ORDER, settings_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from commerce_sandbox import Sandbox

# The SDK wants the settings before there is a sandbox; they are filled in below.
SETTINGS: dict[str, dict[str, Any]] = {
    INTEGRATION: {"base_url": "https://not.known", "token": "pretended-token"},
    # The suite does not know of columns that come with the rows.
    ORDER: {
        "api": "order",
        "base_url": "https://not.known",
        "api_key": "pretended-key",
        "timezone": "UTC",
        "new_fields": "drop",
    },
}


def everything(api: str) -> dict[str, Any]:
    """A catalog with every stream selected."""
    made: dict[str, Any] = json.loads(json.dumps(TapCentra(config=SETTINGS[api]).catalog_dict))
    for entry in made["streams"]:
        for place in entry["metadata"]:
            if not place["breadcrumb"]:
                place["metadata"]["selected"] = True
    return made


IntegrationTests, OrderTests = (
    get_tap_test_class(
        TapCentra,
        config=SETTINGS[api],
        catalog=everything(api),
        suite_config=SuiteConfig(max_records_limit=300, ignore_no_records_for_streams=["events"]),
        parse_env_config=False,
    )
    for api in (INTEGRATION, ORDER)
)


@pytest.fixture(scope="module", autouse=True)
def settings(environments: Callable[[str], Sandbox]) -> None:
    for api, found in SETTINGS.items():
        # The SDK compares the records with the catalog of a tap made before: it has no secrets.
        found.update(settings_for(environments("current"), api) | {"include_secrets": []})


# Warnings are errors here. These two are remarks on the data: not every row has every field.
@pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in records:UserWarning")
@pytest.mark.filterwarnings("ignore:No records were available to test:UserWarning")
class TestIntegration(IntegrationTests):  # type: ignore[misc, valid-type]
    """The suite, against the Integration API."""


@pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in records:UserWarning")
@pytest.mark.filterwarnings("ignore:No records were available to test:UserWarning")
class TestOrder(OrderTests):  # type: ignore[misc, valid-type]
    """The suite, against the Order API."""
