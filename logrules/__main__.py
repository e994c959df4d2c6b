"""The command `logrules`, and `python -m logrules`.

A Ctrl-C that comes before a command can see to it, or after that, ends it without a word, as it ends others.
"""

import gc
import sys


def main() -> int:
    """Run a command and return the exit status; see `logrules.cli`."""
    gc.disable()  # until a command begins: what is imported is no garbage, and looked at again and again
    try:
        from logrules import cli

        status = cli.main()
    except KeyboardInterrupt:
        status = 130  # 128 + SIGINT, as a shell has it
    import signal

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # the interpreter's own end takes a while
    return status


if __name__ == "__main__":
    sys.exit(main())
