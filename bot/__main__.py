"""`python -m bot`: runs the reference bot."""

from bot.app import main

main()
