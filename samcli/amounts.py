"""Amounts as people are told them: `1 sample`, `2,000 samples`, `35.2 MB`."""


def counted(number: int, what: str) -> str:
    """A number of things whose plural ends in s."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def in_bytes(value: float) -> str:
    """A size: `35.2 MB`."""
    return scaled(value, ("B", "kB", "MB", "GB", "TB"))


def scaled(value: float, units: tuple[str, ...]) -> str:
    """Three digits and the decimal unit that suits."""
    for unit in units[:-1]:
        if value < 999.5:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} {units[-1]}"
