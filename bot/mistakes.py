"""What is wrong with a configuration, in words: each mistake with file, key and cure. Never shows a secret."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

Raw = dict[str, Any]  # as read: a table of TOML, or the same from variables
Key = tuple[str, ...]

_PREFIX = "CLOUDY_"
_FAMILIES = ("vmstores", "targets", "hypervisors")  # sections that hold one section for each system
_NAME_ITSELF = "[key]"  # how pydantic says that a section's name is wrong, not what is in it
_FOLDER = "folder"  # set by where the file is, not by what it says
_NAME = re.compile(r"[a-z0-9](?:_?[a-z0-9-])*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def variable(key: Sequence[str]) -> str:
    """Name the environment variable of a key: CLOUDY_VMSTORES__MY_ARRAY__PASSWORD."""
    return _PREFIX + "__".join(part.upper().replace("-", "_") for part in key)


def missing_secrets(section: BaseModel, key: Key, names: Sequence[str]) -> list[str]:
    """Tell which of these secrets the section lacks."""
    return [
        f"{variable((*key, name))} is not set: it is {type(section).model_fields[name].description};"
        " put it into the environment or into secrets.env beside cloudy.toml"
        for name in names
        if not getattr(section, name)
    ]


def written_secrets(model: type[BaseModel], written: Raw, file: str) -> list[str]:
    """Tell which secrets stand in the file, where they may not."""
    return [
        f"{file}: {_dotted(key)}: secrets do not belong into this file; take it out and set {variable(key)}"
        " in the environment or in secrets.env beside it"
        for key in _secret_keys(model, written)
    ]


def without_secrets(model: type[BaseModel], written: Raw) -> Raw:
    """Give a copy without them."""
    return _without(written, set(_secret_keys(model, written)))


def unknown_variables(model: type[BaseModel], lines: Mapping[str, str | None], file: str) -> list[str]:
    """Tell which lines of a file of variables set nothing of ours."""
    fields = [variable((name,)) for name in model.model_fields if name != _FOLDER]
    return [
        f"{file}: {name} sets nothing of Cloudy's{_did_you_mean(name.upper().partition('__')[0], fields)};"
        " correct or remove the line"
        for name in lines
        if name.upper().partition("__")[0] not in fields
    ]


def known_systems(told: Raw, written: Raw, problems: list[str]) -> Raw:
    """Give what the variables say under the names of the file (`-` where a variable has `_`); the rest are problems."""
    known = dict(told)
    for family in _FAMILIES:
        sections = written.get(family)
        names = {name.replace("-", "_"): name for name in sections} if isinstance(sections, dict) else {}
        systems = told.get(family)
        if not isinstance(systems, dict):
            continue
        known[family] = {names[name]: value for name, value in systems.items() if name in names}
        problems += [
            f"{variable((family, name))}__...: there is no [{family}.{name}] in cloudy.toml"
            f"{_did_you_mean(name, names)}; correct the variable's name or remove it"
            for name in systems
            if name not in names
        ]
    return known


def rule_breaks(raw: Raw, file: str) -> list[str]:
    """Tell what types cannot: names, and keys that need or forbid one another."""
    problems = (
        [f"{file}: {_FOLDER}: unknown key; take it out, the file's own folder is meant"] if _FOLDER in raw else []
    )
    for family in _FAMILIES:
        sections = raw.get(family)
        if not isinstance(sections, dict):
            continue
        problems += _bad_names(family, sections, file)
        for name, section in sections.items():
            if isinstance(section, dict):
                problems += _bad_addresses((family, name), section, file)
                if family == "vmstores":
                    problems += _bad_shares((family, name), section, file)
                    problems += _bad_cleanup((family, name), section, file)
                    problems += _bad_hypervisor((family, name), section, raw, file)
    return problems


def in_words(model: type[BaseModel], error: ValidationError, file: str, told: Raw) -> list[str]:
    """Turn what the types refused into words, with the place where the value came from."""
    problems = []
    for flaw in error.errors(include_url=False):
        key = tuple(str(part) for part in flaw["loc"] if part != _NAME_ITSELF)
        where = variable(key) if _has(told, key) else f"{file}: {_dotted(key)}"
        problems.append(f"{where}: {_cure(model, key, flaw['type'], flaw['msg'])}")
    return problems


def _cure(model: type[BaseModel], key: Key, kind: str, message: str) -> str:
    parent = _model_at(model, key[:-1])
    fields = {field.alias or name: field for name, field in parent.model_fields.items()} if parent else {}
    if kind == "extra_forbidden":
        known = sorted(name for name, field in fields.items() if name != _FOLDER and not _is_secret(field))
        return f"unknown key{_did_you_mean(key[-1], known) or '; known are ' + ', '.join(known)}"
    field = fields.get(key[-1]) or _field_of_list(model, key)
    wanted = field.description if field and field.description else f"a section [{_dotted(key)}]"
    if kind == "missing":
        return f"missing; add {wanted}"
    return f"{message[0].lower()}{message[1:]}; it should be {wanted}"


def _bad_names(family: str, sections: Raw, file: str) -> Iterator[str]:
    seen: dict[str, str] = {}
    for name in sections:
        if not _NAME.fullmatch(name):
            yield (
                f"{file}: [{_dotted((family, name))}]: a name has lower-case letters, digits, - and single _"
                " only, and begins with a letter or digit; rename it"
            )
        other = seen.setdefault(name.replace("-", "_"), name)
        if other != name:
            yield f"{file}: {family} {other} and {name} would share their environment variables; rename one"


def _bad_addresses(key: Key, section: Raw, file: str) -> Iterator[str]:
    for name in ("url", "endpoint"):
        text = section.get(name)
        if not isinstance(text, str):
            continue
        where = f"{file}: {_dotted((*key, name))}"
        try:
            parts = urlsplit(text)
        except ValueError:
            yield f"{where}: this is not an address; write it like https://name.example.com"
            continue
        if parts.username or parts.password:
            yield f"{where}: an address may not hold a user or password; set {variable(key)}__... instead"
        elif not parts.scheme or not (parts.netloc or (key[0] == "hypervisors" and "@" not in text)):
            # qemu:///system is a whole one; user:password@host has no scheme, and is not to be repeated.
            shown = "this" if "@" in text else repr(text)
            yield f"{where}: {shown} is not a whole address; write it with its scheme, like https://name.example.com"


def _bad_shares(key: Key, section: Raw, file: str) -> Iterator[str]:
    for name in ("share", "cleanup_share", "restore_share"):
        text = section.get(name)
        scheme, _, place = text.partition("://") if isinstance(text, str) else ("", "", "")
        login, at, _ = place.partition("/")[0].rpartition("@")
        if scheme and at and ":" in login:
            yield (
                f"{file}: {_dotted((*key, name))}: a share's address may not hold a password; take it out and set "
                f"{variable((*key, 'share_password'))}"
            )


def _bad_hypervisor(key: Key, section: Raw, raw: Raw, file: str) -> Iterator[str]:
    chosen, known = section.get("hypervisor"), raw.get("hypervisors", {})
    if isinstance(chosen, str) and isinstance(known, dict) and chosen not in known:
        yield (
            f"{file}: {_dotted((*key, 'hypervisor'))}: there is no [{_dotted(('hypervisors', chosen))}]"
            f"{_did_you_mean(chosen, known)}; add it, or correct the name"
        )
    for needed, other in (("datastore", "hypervisor"), ("hypervisor", "datastore")):
        if section.get(other) and not section.get(needed):
            yield f"{file}: {_dotted((*key, needed))}: missing beside {other}; add it, or take {other} out"


def _bad_cleanup(key: Key, section: Raw, file: str) -> Iterator[str]:
    if not section.get("cleanup_share") and section.get("cleanup") != "manual":
        yield (
            f"{file}: {_dotted((*key, 'cleanup_share'))}: missing, so clones could not be removed; add a writable way"
            ' to the files, like cleanup_share = "path:/mnt/tintri-rw", or say cleanup = "manual"'
        )


def _secret_keys(model: type[BaseModel], table: Raw, above: Key = ()) -> Iterator[Key]:
    for name, value in table.items():
        key = (*above, name)
        field = _field_at(model, key)
        if field is not None and _is_secret(field):
            yield key
        elif isinstance(value, dict):
            yield from _secret_keys(model, value, key)


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in (field.annotation, *get_args(field.annotation))


def _without(table: Raw, keys: set[Key], above: Key = ()) -> Raw:
    return {
        name: _without(value, keys, (*above, name)) if isinstance(value, dict) else value
        for name, value in table.items()
        if (*above, name) not in keys
    }


def _field_at(model: type[BaseModel], key: Key) -> FieldInfo | None:
    parent = _model_at(model, key[:-1])
    return _field_named(parent, key[-1]) if parent else None


def _model_at(model: type[BaseModel], key: Key) -> type[BaseModel] | None:
    """Find the model of a section; parts of a key may be names that somebody chose, or places in a list."""
    found: Any = model
    for part in key:
        if _is_model(found):
            field = _field_named(found, part)
            found = field.annotation if field else None
        elif get_origin(found) is dict:
            found = get_args(found)[1]
        elif get_origin(found) is tuple:
            found = get_args(found)[0]
        else:
            return None
    return found if _is_model(found) else None


def _field_of_list(model: type[BaseModel], key: Key) -> FieldInfo | None:
    """The field whose list or table the last part of the key is one of."""
    is_listed = key[-1].isdigit() or key[0] not in _FAMILIES
    return _field_at(model, key[:-1]) if is_listed and len(key) > 1 else None


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _field_named(model: type[BaseModel], name: str) -> FieldInfo | None:
    """The field by what it is called in the file."""
    aliased = (field for field in model.model_fields.values() if field.alias == name)
    return model.model_fields.get(name) or next(aliased, None)


def _has(table: Any, key: Key) -> bool:
    for part in key:
        if not isinstance(table, dict) or part not in table:
            return False
        table = table[part]
    return bool(key)


def _dotted(key: Sequence[str]) -> str:
    """Write a key as the file has it; a place in a list is counted from 1, as people do."""
    said = ""
    for part in key:
        if part.isdigit():
            said += f", entry {int(part) + 1}"
            continue
        lead = ": " if ", entry " in said else "."
        said += f"{lead if said else ''}{part if _BARE.fullmatch(part) else json.dumps(part)}"
    return said


def _did_you_mean(word: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    near = get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
