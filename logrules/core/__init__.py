"""Decides. Bytes and `now` are arguments: no I/O, no clock and no environment in here."""
