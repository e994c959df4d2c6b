"""The reference bot: paste a log, get what happened and what to do. It guards itself with logrules."""
