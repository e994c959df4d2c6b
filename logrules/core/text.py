"""Text from a log on its way to a human being."""


def printable(text: str) -> str:
    """`text` without anything that a terminal would act upon."""
    return "".join(char if char.isprintable() else " " for char in text)
