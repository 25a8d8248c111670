"""`python -m bot` is `cloudy`."""

from bot.cli import main

main()
