"""The tests' settings, with the front desk's addresses."""

from tests.settings import *  # noqa: F403  As `config.settings` there.

ROOT_URLCONF = "tests.storefront.urls"
