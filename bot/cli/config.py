"""`cloudy config check`."""

import typer

from bot.cli.common import ConfigOption, settings_of

app = typer.Typer(help="The configuration.", no_args_is_help=True)


@app.command()
def check(config: ConfigOption = None) -> None:
    """Tell every mistake in cloudy.toml and the environment at once; exit status 1 if there is one."""
    settings = settings_of(config)
    settings.require_secrets(slack=True, vmstores=True, targets=True)
    print(f"fine: {len(settings.vmstores)} VMstores, {len(settings.targets)} targets")
