"""`cloudy simulate vmstore | slack`: one stand-in alone, for any client."""

from pathlib import Path
from typing import Annotated

import typer

from bot.errors import OperatorError

app = typer.Typer(help="Stand-ins that speak the real protocols.", no_args_is_help=True)


@app.command()
def vmstore(  # noqa: PLR0913 - each is an option of the command line
    export: Annotated[Path, typer.Option(help="The folder that plays /tintri.")],
    port: Annotated[int, typer.Option(help="0: any free one.")] = 0,
    http: Annotated[bool, typer.Option("--http", help="Plain HTTP instead of HTTPS.")] = False,
    user: str = "admin",
    password: str = "secret",  # noqa: S107 - the stand-in's, printed in the documentation
    fs_uuid: Annotated[str | None, typer.Option(help="File-system UUID.", show_default=False)] = None,
    vms: Annotated[int, typer.Option(help="Add so many generated VMs without files.")] = 0,
    latency: Annotated[float, typer.Option(help="Seconds that every call takes longer.")] = 0.0,
    control_port: Annotated[int, typer.Option(help="Where faults are ordered; 0: any free one.")] = 0,
) -> None:
    """A VMstore: REST API and export folder. Lines printed: its URL, its CA unless HTTP, the control endpoint's URL."""
    try:
        from integrations.simulators.vmstore import run
    except ImportError as error:
        raise OperatorError(f"Not installed: pip install 'cloudy[demo]' ({error}).") from error
    run(
        export,
        port=port,
        http=http,
        user=user,
        password=password,
        fs_uuid=fs_uuid,
        vms=vms,
        latency_seconds=latency,
        control_port=control_port,
    )


@app.command()
def slack(
    port: Annotated[int, typer.Option(help="0: any free one.")] = 0,
    http_app: Annotated[
        str,
        typer.Option(help="A bot's request URL (http://127.0.0.1:3000/slack/events): signed HTTP, no Socket Mode."),
    ] = "",
) -> None:
    """A Slack: API, Socket Mode or signed HTTP, a page. The first line printed is its URL, the page's the last."""
    try:
        from bot.cli import offered
        from integrations.simulators.slack import run
    except ImportError as error:
        raise OperatorError(f"Not installed: pip install 'cloudy[demo]' ({error}).") from error
    raise typer.Exit(run(port, http_app, offered.shortcuts(), offered.usages()))
