"""Names that Slack gives back to us; they are stored in old messages, so none is ever renamed."""

STOP = "cloudy.stop"  # value: the transaction id, so that an edit of the message never voids a click
DETAILS = "cloudy.details"  # value: the transaction id

MESSAGE_EVENT = "cloudy_message"  # metadata of every message of ours: {"key", "installation", "version"}


def block_id(kind: str, index: int, version: int) -> str:
    """Name a block of one version of a message.

    Source: Block Kit reference, block_id: unique in a message, and a new one whenever the message is updated.
    """
    return f"cloudy-{kind}-{index}-v{version}"[:255]
