"""What holds for all tests: no test measures time, hypothesis neither; in which order several workers take them."""

from collections import Counter

import pytest
from hypothesis import settings

settings.register_profile("cloudy", deadline=None)
settings.load_profile("cloudy")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Slow modules first: work that is begun last is short then, so that the workers end together."""
    if not hasattr(config, "workerinput"):
        return  # one after the other, they run as they stand
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    every = Counter(item.path for item in items)
    items.sort(key=lambda item: (-slow[item.path], -every[item.path], item.path))
