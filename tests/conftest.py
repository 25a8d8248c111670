"""What holds for all tests: no test measures time, hypothesis neither."""

from hypothesis import settings

settings.register_profile("cloudy", deadline=None)
settings.load_profile("cloudy")
