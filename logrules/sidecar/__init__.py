"""`logrules run`: watches a command from outside. `run` is its story, `life` one life of the command."""
