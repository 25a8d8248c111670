"""What there is in a world after a round, seen from outside: database, engine, Slack, VMstore, export and bucket."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from slack_sdk import WebClient

from bot.model import AuditRow, AuditVerdict, RecoveryPoint, Resource, Step, Transaction
from tests.chaos.plan import CHANNELS, TARGETS
from tests.chaos.world import PASSWORD, World

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the outbox."""

    key: str
    view: Json
    version: int
    sent_version: int
    ts: str
    only_for: str
    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """One message of the bot's that stands in Slack."""

    key: str
    version: int
    text: str
    thread_ts: str
    ts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All of it."""

    world: World
    transactions: tuple[Transaction, ...]
    steps: dict[str, tuple[Step, ...]]
    audit: dict[str, tuple[AuditRow, ...]]
    verdict: AuditVerdict
    points: dict[tuple[str, str], RecoveryPoint]  # by transaction and target
    ledger: tuple[Resource, ...]
    outbox: tuple[Row, ...]
    engine: dict[str, tuple[str, str]]  # transaction -> status and what its walk gave
    posted: tuple[Posted, ...]
    snapshots: tuple[str, ...]  # descriptions
    export: tuple[str, ...]  # what lies there
    keys: dict[str, tuple[str, ...]]  # target -> keys below its prefix
    uploads: dict[str, tuple[str, ...]]  # target -> keys of unfinished uploads
    sessions: int  # open on the VMstore


def gather(world: World, sessions: int) -> Facts:
    """Look at everything; the bot has ended. sessions: how many were open then."""
    db = world.database()
    try:
        with db.read() as unit:
            transactions = unit.transactions.list(limit=1000)
            of_database: Json = {
                "transactions": transactions,
                "steps": {each.id: unit.steps.of(each.id) for each in transactions},
                "audit": {each.id: unit.audit.list(transaction_id=each.id, limit=1000) for each in transactions},
                "verdict": unit.audit.verify(),
                "points": {
                    (each.id, target): point
                    for each in transactions
                    for target in TARGETS
                    if (point := unit.points.get(each.id, target))
                },
                "ledger": unit.ledger.open(),
            }
    finally:
        db.close()
    return Facts(
        world=world,
        **of_database,
        outbox=tuple(_outbox(world.folder / "cloudy.db")),
        engine=engine_of(world.folder / "engine.db"),
        posted=tuple(_posted(world)),
        snapshots=tuple(_snapshots(world)),
        export=tuple(sorted(path.name for path in world.vmstore.export.iterdir())),
        keys={target: tuple(_keys(world, prefix)) for target, prefix in world.prefixes.items()},
        uploads={target: tuple(_uploads(world, prefix)) for target, prefix in world.prefixes.items()},
        sessions=sessions,
    )


def _outbox(path: Path) -> Iterator[Row]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        found = connection.execute("SELECT key, view, version, sent_version, ts, only_for, failed FROM outbox")
        for key, view, version, sent_version, ts, only_for, failed in found:
            yield Row(
                key=key,
                view=json.loads(view),
                version=version,
                sent_version=sent_version,
                ts=ts,
                only_for=only_for,
                failed=bool(failed),
            )


def engine_of(path: Path) -> dict[str, tuple[str, str]]:
    """Give status and result of every run that the engine knows."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        found = connection.execute(
            "SELECT run.workflow_uuid, run.status, given.output FROM workflow_status AS run"
            " LEFT JOIN workflow_output AS given USING (workflow_uuid) WHERE run.name = 'transaction'"
        )
        return {run: (status, json.loads(output) if output else "") for run, status, output in found}


def _posted(world: World) -> Iterator[Posted]:
    client = WebClient(token=world.slack.bot_token, base_url=world.slack.url, retry_handlers=[])
    for name in CHANNELS:
        channel = world.slack.channel_id(name)
        for root in _pages(client.conversations_history, channel=channel):
            yield from _of_bot(world, root)
            if root.get("reply_count"):
                for reply in _pages(client.conversations_replies, channel=channel, ts=root["ts"]):
                    if reply["ts"] != root["ts"]:
                        yield from _of_bot(world, reply)


def _pages(method: Any, **given: Any) -> Iterator[Json]:
    cursor = ""
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = method(limit=200, include_all_metadata=True, **given, **more).data
        yield from page["messages"]
        cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
        if not cursor:
            return


def _of_bot(world: World, message: Json) -> Iterator[Posted]:
    if message.get("user") != world.slack.bot_user_id:
        return
    payload = (message.get("metadata") or {}).get("event_payload") or {}
    yield Posted(
        key=payload.get("key", ""),
        version=payload.get("version", 0),
        text=message["text"],
        thread_ts=str(message.get("thread_ts", message["ts"])),
        ts=message["ts"],
    )


def _vmstore(world: World) -> requests.Session:
    session = requests.Session()
    session.trust_env, session.verify = False, str(world.ca)
    login = {
        "typeId": "com.tintri.api.rest.vcommon.dto.rbac.RestApiCredentials",
        "username": "cloudy",
        "password": PASSWORD,
    }
    session.post(f"{world.vmstore.url}/api/v310/session/login", json=login, timeout=30).raise_for_status()
    return session


def _snapshots(world: World) -> Iterator[str]:
    with _vmstore(world) as session:
        answer = session.get(f"{world.vmstore.url}/api/v310/snapshot", timeout=30)
        answer.raise_for_status()
        for snapshot in answer.json()["items"]:
            yield snapshot["description"]


def open_sessions(world: World) -> int:
    """How many sessions the VMstore has open, without the one that asks."""
    with _vmstore(world) as session:
        answer = session.get(f"{world.vmstore.url}/api/v310/session/active", timeout=30)
        answer.raise_for_status()
        active = answer.json()
        session.get(f"{world.vmstore.url}/api/v310/session/logout", timeout=30)
        return len(active["items"] if isinstance(active, dict) else active) - 1


def _keys(world: World, prefix: str) -> Iterator[str]:
    pages = world.s3.client.get_paginator("list_objects_v2").paginate(Bucket=world.s3.bucket, Prefix=f"{prefix}/")
    for page in pages:
        for each in page.get("Contents", ()):
            yield each["Key"].removeprefix(f"{prefix}/")


def _uploads(world: World, prefix: str) -> Iterator[str]:
    pages = world.s3.client.get_paginator("list_multipart_uploads").paginate(
        Bucket=world.s3.bucket, Prefix=f"{prefix}/"
    )
    for page in pages:
        for each in page.get("Uploads", ()):
            yield each["Key"].removeprefix(f"{prefix}/")


def body(world: World, target: str, key: str) -> bytes:
    """Give an object as the store gives it."""
    answer = world.s3.client.get_object(Bucket=world.s3.bucket, Key=f"{world.prefixes[target]}/{key}")
    content: bytes = answer["Body"].read()
    return content
