"""What logrules knows, as data.

`codes.toml` says what each code means and leads to; every other file, how codes look in a log.
"""
