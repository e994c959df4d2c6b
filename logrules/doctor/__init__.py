"""`logrules doctor`: why a bot does not start, and what to do about it.

A check is a generator: it looks at something and yields findings (`finding.py`), each by its name in
says.toml, where state, code and words of all of them stand.
To add one: a table there, a `yield found(...)` in a module here, and, for a new check, a line in `CHECKS` of
`examination.py`.

Nothing here polls, sends, deletes or locks: it is safe beside a bot that runs.
"""
