"""Small facts of this installation, such as its id."""

from sqlmodel import Session

from bot.store.rows import SettingRow


class Settings:
    """Name to value."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, name: str) -> str | None:
        """Give the value, None if it was never put."""
        row = self._session.get(SettingRow, name)
        return row.value if row else None

    def put(self, name: str, value: str) -> None:
        """Keep the value; a former one is replaced."""
        self._session.merge(SettingRow(name=name, value=value))
        self._session.flush()
