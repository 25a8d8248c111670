"""What rows and results are made of."""

from typing import Any

Json = dict[str, Any]
