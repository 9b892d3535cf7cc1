"""The Singer SDK's own tests of a tap, over HTTP, every stream of them.

What they leave out (keys that come twice, the state's values, what a second run brings) is in the
modules beside this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from tap_codat.tap import TapCodat
from tests.codat.support import KINDS, catalog, settings_for

if TYPE_CHECKING:
    from commerce_sandbox import Sandbox

# The SDK wants the settings before there is a sandbox; they are filled in below.
SETTINGS: dict[str, Any] = {"api_key": "not known yet"}

SdkTests = get_tap_test_class(
    TapCodat,
    config=SETTINGS,
    catalog=catalog(**dict.fromkeys(KINDS)),
    suite_config=SuiteConfig(max_records_limit=500),
    parse_env_config=False,
)


@pytest.fixture(scope="module", autouse=True)
def settings(_shared: Sandbox) -> None:
    # The SDK compares the records with the catalog of a tap made before: it has no secrets.
    SETTINGS.update(settings_for(_shared) | {"include_secrets": []})


# Warnings are errors here. These two are remarks on the data: not every row has every field.
@pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in records:UserWarning")
@pytest.mark.filterwarnings("ignore:No records were available to test:UserWarning")
class TestTapCodat(SdkTests):  # type: ignore[misc, valid-type]
    """The suite."""
