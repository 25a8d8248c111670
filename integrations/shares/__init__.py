"""Ways to reach the files of an export; the registry line of each goes here."""

from collections.abc import Callable
from importlib import import_module

from bot.errors import ConfigError
from bot.ports import Share
from integrations.shares.path import open_path


def _from_extra(scheme: str) -> Callable[..., Share]:
    """The opener of a module whose library comes with the extra of the same name."""

    def opener(url: str, **settings: object) -> Share:
        try:
            found: Callable[..., Share] = getattr(import_module(f"{__name__}.{scheme}"), f"open_{scheme}")
        except ModuleNotFoundError as error:
            if str(error.name).startswith(__name__):
                raise
            raise ConfigError(
                [f"a share {scheme}://... needs a library that is not there: pip install 'cloudy[{scheme}]'"]
            ) from error
        return found(url, **settings)

    return opener


# Scheme of a share's URL -> opener(url, *, export="/tintri", uid=None, gid=None, timeout_s=60, password=""). It touches
# nothing yet.
OPENERS: dict[str, Callable[..., Share]] = {
    "path": open_path,
    "nfs": _from_extra("nfs"),
    "smb": _from_extra("smb"),
}
