"""`cloudy doctor`: each configured thing tried, with a cure for what is bad."""

from pathlib import Path
from typing import Any

import typer

from bot.cli.common import ConfigOption, JsonOption, print_json, settings_of
from bot.doctor import Finding, Health
from bot.errors import ConfigError
from bot.logs import setup

_MARKS = {Health.GOOD: "✓", Health.BAD: "✗", Health.UNJUDGED: "–"}


def doctor(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Try everything that is configured; exit status 1 if something is bad. Works beside a running bot."""
    findings = _findings(config)
    if as_json:
        print_json({"well": _is_well(findings), "checks": [_check(finding) for finding in findings]})
    else:
        _print(findings)
    raise typer.Exit(0 if _is_well(findings) else 1)


def _findings(config: Path | None) -> tuple[Finding, ...]:
    from bot.main import examine  # adapters are loaded only by commands that work

    try:
        settings = settings_of(config)
    except ConfigError as error:
        return tuple(
            Finding(about="configuration", title="cloudy.toml", health=Health.BAD, words=problem, cure="Correct that.")
            for problem in error.problems
        )
    setup("CRITICAL", settings.secrets())
    return examine(settings)


def _is_well(findings: tuple[Finding, ...]) -> bool:
    return all(finding.health is not Health.BAD for finding in findings)


def _check(finding: Finding) -> dict[str, Any]:
    return {
        "about": finding.about,
        "title": finding.title,
        "health": finding.health.value,
        "words": finding.words,
        "cure": finding.cure,
    }


def _print(findings: tuple[Finding, ...]) -> None:
    wide = max(len(finding.about) for finding in findings)
    titles = max(len(finding.title) for finding in findings)
    for finding in findings:
        words = " ".join(finding.words.split())
        print(f"{_MARKS[finding.health]} {finding.about:<{wide}}  {finding.title:<{titles}}  {words}".rstrip())
        if finding.cure and finding.health is not Health.GOOD:
            print(f"  {'':<{wide}}  → {finding.cure}")
    count = {health: sum(1 for finding in findings if finding.health is health) for health in Health}
    print(f"{count[Health.GOOD]} good, {count[Health.BAD]} bad, {count[Health.UNJUDGED]} not judged")
