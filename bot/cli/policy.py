"""`cloudy policy explain`: who may do what, and why."""

from typing import Annotated

import typer

from bot.cli.common import ConfigOption, JsonOption, print_json, reading
from bot.model import Actor
from bot.opening import service_for
from bot.opinions import Opinion

app = typer.Typer(help="Who may do what.", no_args_is_help=True)

UserArgument = Annotated[str, typer.Argument(help="A Slack user's id, or name as last seen; cli: whoever is here.")]
CommandArgument = Annotated[str, typer.Argument(help='A command of Slack\'s, like "protect vm01 to s3".')]
ChannelOption = Annotated[str, typer.Option(help="Id of the channel that it would be typed in.")]


@app.callback()
def _group() -> None:
    """Keep `explain` a command of its own, though it is alone."""


@app.command()
def explain(
    user: UserArgument,
    command: CommandArgument,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    channel: ChannelOption = "",
) -> None:
    """Whether that user may give that command now, which rules say so, and on which terms it goes ahead."""
    from handlers.orders import question_of  # loads Slack's libraries, which no other command waits for
    from handlers.parse import cloudy

    question = question_of(cloudy(command.removeprefix("/cloudy ").removeprefix("/")), channel)
    with reading(config) as (settings, db):
        service = service_for(settings, db)
        actor = service.person(user)
        opinions = service.opinions_on(question, actor)
    if as_json:
        print_json({"user": actor.id, "name": actor.name, "opinions": [_json(opinion) for opinion in opinions]})
        return
    for opinion in opinions:
        _print(actor, opinion)


def _print(actor: Actor, opinion: Opinion) -> None:
    verdict = opinion.verdict
    who = actor.name if actor.name == actor.id else f"{actor.name} ({actor.id})"
    print(f"{who} {'may' if verdict.allowed else 'may not'}: {opinion.asked}")
    for sentence in verdict.why:
        print(f"  {sentence}")
    if not verdict.allowed:
        print(f"  For whoever may: {verdict.terms}")
    if verdict.who:
        print(f"  Who may: {', '.join(verdict.who)}")


def _json(opinion: Opinion) -> dict[str, object]:
    verdict, terms = opinion.verdict, opinion.verdict.terms
    return {
        "asked": opinion.asked,
        "allowed": verdict.allowed,
        "role": verdict.role.value,
        "why": list(verdict.why),
        "who": list(verdict.who),
        "overrides": list(verdict.overrides),
        "terms": {
            "need": terms.need.value,
            "approvers": terms.approvers,
            "requester_counts": terms.requester_counts,
            "lives_s": int(terms.lives.total_seconds()),
            "good_for_s": int(terms.good_for.total_seconds()),
            "reason_required": terms.reason_required,
        },
    }
