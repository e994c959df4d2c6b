"""Keeps one poller: locks, and python-telegram-bot's loop under them. The rules are core's."""
