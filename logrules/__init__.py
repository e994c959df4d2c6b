"""logrules: codes, remediations, alerts and clean exits for bots."""

__version__ = "0.1.0"
