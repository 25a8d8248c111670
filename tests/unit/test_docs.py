"""The documents: what they name is there, be it a page, a picture, a command or a setting."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from pydantic import BaseModel
from typer.core import TyperGroup

from bot.cli import app
from bot.config import Settings, load
from bot.errors import UsageError
from handlers import appmanifest, asked, parse

HOUSE = Path(__file__).resolve().parents[2]
DOCS = HOUSE / "docs"
README = HOUSE / "README.md"
PAGES = [README, *sorted(DOCS.rglob("*.md"))]
BY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(HOUSE)))
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"(?<!\\)\]\(([^()\s]+)\)|<img src=\"([^\"]+)\"")
_SHELL = re.compile(r"(?:^|[\s(|&])(?:[\w./-]*/bin/)?cloudy +([a-z].*)")
_SLASH = re.compile(r"(?:^|> )(/[a-z-]+)(?: (.*))?$")
_NO_COMMANDS = {"/healthz", "/tintri", "/invite"}  # a path that answers, an export, a command of Slack's own
_MISTYPED = {"restoer", "evry"}  # on purpose
_OPEN = re.compile(r"[<>\[\]|…·]|\.\.\.")  # something is to be filled in


def prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text())


def typed(page: Path) -> Iterator[str]:
    """Everything that is set as code, line by line."""
    yield from (span.replace("\\|", "|") for span in _SPAN.findall(prose(page)))
    for kind, text in _FENCE.findall(page.read_text()):
        if kind not in ("toml", "json", "ini"):
            yield from text.splitlines()
    yield from (line.strip() for line in prose(page).splitlines() if line.startswith("    "))


@cache
def anchors(page: Path) -> frozenset[str]:
    """As GitHub makes them of headings."""
    heads = re.findall(r"^#+ +(.+)$", prose(page), re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads)


def links(page: Path) -> Iterator[tuple[str, Path, str]]:
    """Each link within the house: as it stands, the file, and the heading in it."""
    for found in _LINK.findall(prose(page)):
        link = found[0] or found[1]
        if not re.match("[a-z]+:", link):
            path, _, anchor = link.partition("#")
            yield link, (page.parent / path).resolve() if path else page, anchor


@BY_PAGE
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    lost = [link for link, file, _ in links(page) if not file.exists()]
    lost += [link for link, file, anchor in links(page) if anchor and file.exists() and anchor not in anchors(file)]
    assert lost == []


def test_every_page_and_picture_is_reached_from_the_map() -> None:
    mapped = {file for _, file, _ in links(DOCS / "README.md")}
    pages = {page for page in DOCS.glob("*.md") if page.name != "README.md"}
    assert sorted(page.name for page in pages - mapped) == []
    assert DOCS / "README.md" in {file for _, file, _ in links(README)}
    shown = {file for page in PAGES for _, file, _ in links(page)}
    assert sorted(picture.name for picture in (DOCS / "img").iterdir() if picture not in shown) == []


@BY_PAGE
def test_every_command_of_the_command_line_exists(page: Path) -> None:
    said = [match[1] for line in typed(page) if (match := _SHELL.search(line))]
    assert [wrong for each in said for wrong in wrongs(each)] == []


def wrongs(said: str) -> Iterator[str]:
    """What of `protect vm01 --to s3` the command line does not have."""
    command = typer.main.get_command(app)
    words = _words(said)
    while isinstance(command, TyperGroup) and words and not words[0].startswith(("-", "...")):
        names = words.pop(0).split("|")
        unknown = [name for name in names if name not in command.commands]
        if unknown:
            yield f"cloudy {said}: there is no {unknown[0]}"
            return
        command = command.commands[names[-1]]
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for word in words:
        option = word.strip("[](),.").partition("=")[0]
        if option.startswith("--") and option not in {*options, "--help"}:
            yield f"cloudy {said}: there is no {option}"


def _words(said: str) -> list[str]:
    said = re.split(r" (?:#|\||&&|>|<|2>) ?| {3,}", said)[0]
    try:
        return shlex.split(said)
    except ValueError:
        return said.split()


@BY_PAGE
def test_every_command_of_the_chat_exists(page: Path) -> None:
    said = [match.groups() for line in typed(page) if (match := _SLASH.search(line))]
    assert [wrong for name, rest in said if name not in _NO_COMMANDS and (wrong := refused(name, rest or ""))] == []


def refused(name: str, rest: str) -> str:
    """What Cloudy would have against it; where something is to be filled in only the first words count."""
    if name not in {command.name for command in appmanifest.COMMANDS}:
        return f"there is no {name}"
    rest = rest if _OPEN.search(rest) else re.split(" {3,}", rest)[0].strip()
    said = rest if name == "/cloudy" else f"{name.removeprefix('/')} {rest}"
    if not rest or _MISTYPED & {*rest.split()}:
        return ""
    verb, *more = said.split()
    if verb not in {*parse.Verb, *asked.ALIASES}:
        return f"{name} {rest}: there is no {verb}"
    if not more or said in ("retention set", "retention hold", "retention release") or _OPEN.search(rest):
        return ""
    try:
        parse.cloudy(said)
    except UsageError as error:
        return f"{name} {rest}: {error.message}"
    return ""


@BY_PAGE
def test_every_setting_exists(page: Path) -> None:
    tables = [tomllib.loads(text) for kind, text in _FENCE.findall(page.read_text()) if kind == "toml"]
    assert [key for table in tables for key in unknown_keys(Settings, table)] == []
    variables = re.findall(r"\bCLOUDY_([A-Z0-9]+)__(?:<?[A-Z0-9_]+?>?__)?([A-Z0-9_]*[A-Z0-9])\b", page.read_text())
    meant = [(section.lower(), name.lower()) for section, name in variables if section != "SLAK"]  # so on purpose
    assert [(section, name) for section, name in meant if name not in names_in(section)] == []


def names_in(section: str) -> set[str]:
    field = Settings.model_fields.get(section)
    models = [each for each in _within(field.annotation) if issubclass(each, BaseModel)] if field else []
    return {name for model in models for name in model.model_fields}


def unknown_keys(model: type[BaseModel], table: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Keys that no section has, by their whole names."""
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    for key, value in table.items():
        if key not in fields:
            yield above + key
            continue
        kind = fields[key].annotation
        sections = [section for section in _within(kind) if issubclass(section, BaseModel)]
        is_family = any(each is dict or getattr(each, "__origin__", None) is dict for each in (kind, *get_args(kind)))
        for section in sections[:1]:
            for part in value if isinstance(value, list) else value.values() if is_family else [value]:
                yield from unknown_keys(section, part, f"{above}{key}.")


def _within(kind: Any) -> Iterator[type]:
    if isinstance(kind, type) and not get_args(kind):
        yield kind
    for part in get_args(kind):
        yield from _within(part)


def test_the_keys_that_the_page_of_the_configuration_lists_exist() -> None:
    rows = re.findall(r"^\| (`[^|]+) \|", (DOCS / "configuration.md").read_text(), re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`([a-z_0-9]+)`", row)}
    known = {name for section in sections(Settings) for name in section.model_fields}
    aliases = {field.alias for section in sections(Settings) for field in section.model_fields.values()}
    assert sorted(listed - known - aliases) == []


def sections(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for part in _within(field.annotation):
            if issubclass(part, BaseModel):
                yield from sections(part)


# What each call of boto3's takes, by Amazon's "Actions, resources, and condition keys for Amazon S3".
RIGHTS = {
    "abort_multipart_upload": "AbortMultipartUpload",
    "complete_multipart_upload": "PutObject",
    "copy_object": "PutObject",
    "create_multipart_upload": "PutObject",
    "delete_object": "DeleteObject",
    "get_bucket_lifecycle_configuration": "GetLifecycleConfiguration",
    "get_bucket_versioning": "GetBucketVersioning",
    "get_object": "GetObject",
    "get_object_lock_configuration": "GetBucketObjectLockConfiguration",
    "get_object_retention": "GetObjectRetention",
    "get_object_tagging": "GetObjectTagging",
    "head_bucket": "ListBucket",
    "head_object": "GetObject",
    "list_multipart_uploads": "ListBucketMultipartUploads",
    "list_object_versions": "ListBucketVersions",
    "list_objects_v2": "ListBucket",
    "list_parts": "ListMultipartUploadParts",
    "put_object": "PutObject",
    "put_object_retention": "PutObjectRetention",
    "put_object_tagging": "PutObjectTagging",
    "restore_object": "RestoreObject",
    "upload_part": "PutObject",
    "upload_part_copy": "PutObject",
}


def test_the_page_of_rights_has_one_for_each_call_to_s3() -> None:
    adapter = HOUSE / "integrations" / "objectstores" / "s3"
    code = "".join(path.read_text() for path in adapter.glob("*.py"))
    calls = set(re.findall(r"(?:client|patient)\.([a-z_0-9]+)\(|get_paginator\(\"([a-z_0-9]+)\"\)", code))
    made = {name for pair in calls for name in pair if "_" in name} - {"get_paginator"}
    assert sorted(made - set(RIGHTS)) == []
    page = (DOCS / "security.md").read_text()
    policy = json.loads(next(text for kind, text in _FENCE.findall(page) if kind == "json"))
    given = str([statement["Action"] for statement in policy["Statement"]])
    assert sorted(name for name in made if f"s3:{RIGHTS[name]}'" not in given) == []


def test_the_configuration_of_the_install_page_has_no_mistake(tmp_path: Path) -> None:
    example = next(text for kind, text in _FENCE.findall((DOCS / "install.md").read_text()) if kind == "toml")
    (tmp_path / "cloudy.toml").write_text(example)
    for ca in re.findall(r'^ca = "(.+)"', example, re.MULTILINE):
        (tmp_path / ca).touch()
    assert load(tmp_path / "cloudy.toml").targets
