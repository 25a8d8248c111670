"""`cloudy ...`: one file a noun; parse, call the service, print."""

import sys

import typer

from bot.cli import (
    audit,
    catalog,
    config,
    demo,
    doctor,
    drill,
    estimate,
    lists,
    manifest,
    orphans,
    points,
    policy,
    protect,
    restore,
    retention,
    runs,
    schedule,
    serve,
    simulate,
    sla,
    summary,
)
from bot.errors import CloudyError

app = typer.Typer(
    name="cloudy",
    help="Lifts VMs off a VMstore into the cloud, and brings them back.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.add_typer(simulate.app, name="simulate")
app.command("protect")(protect.protect)
app.command("restore")(restore.restore)
app.command("drill")(drill.drill)
app.command("schedule")(schedule.schedule)
app.command("schedules")(schedule.schedules)
app.command("estimate")(estimate.estimate)
app.command("verify")(points.verify)
app.command("retry")(points.retry)
app.command("delete")(points.delete)
app.command("stop")(runs.stop)
app.command("runs")(runs.runs)
app.command("show")(runs.show)
app.command("watch")(runs.watch)
app.command("vms")(lists.vms)
app.command("sla")(sla.sla)
app.command("points")(lists.points)
app.command("recovery-points")(lists.points)
app.command("summary")(summary.summary)
app.command("doctor")(doctor.doctor)
app.command("manifest")(manifest.manifest)
app.command("orphans")(orphans.orphans)
app.add_typer(audit.app, name="audit")
app.add_typer(catalog.app, name="catalog")
app.add_typer(config.app, name="config")
app.add_typer(policy.app, name="policy")
app.add_typer(retention.app, name="retention")
app.command("expire")(retention.expire)
app.command("tier")(retention.tier)


def main() -> None:
    """Run the command line; errors that are for people are told in words, with exit status 1."""
    try:
        app()
    except CloudyError as error:
        print(f"cloudy: {error.message}", file=sys.stderr)
        raise SystemExit(1) from error
