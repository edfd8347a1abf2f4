"""One way to write a number, a percentage, a duration, a list: wherever the book shows one.

There are two kinds of numbers. `fixed` is for a column: all of it has the same decimals, so that the eye can compare
down the column, and what is small there is zero. `number` is for a sentence, and for a result that stands alone: it has
three significant digits whatever its size, since there is nothing beside it to compare with.
"""

import math
from decimal import Decimal

import numpy as np

SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number_style(metric: str, values) -> tuple[int, int]:
    """(power of ten to take out, decimals): small pruning errors get a common factor, the rest is shown as it is."""
    if metric == "perplexity":
        return 0, 1
    sizes = np.abs(np.asarray(values, dtype=float))
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    exponent = int(np.floor(np.log10(sizes.min()))) if metric == "pruning_error" and len(sizes) else 0
    return min(exponent, 0), 2


def fixed(value: float, exponent: int = 0, decimals: int = 1) -> str:
    """A value of a column, in units of 10**exponent; from a thousand on without decimals, from a million on as a power
    of ten.
    """
    if np.isnan(value):
        return "–"
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    scaled = value / 10.0**exponent
    if abs(scaled) >= 1e6:
        return with_powers(f"{scaled:.1e}")
    return f"{scaled:,.{0 if abs(scaled) >= 1000 else decimals}f}".replace("-", "−")


def with_powers(text: str) -> str:
    """A number as `format` writes it, with real signs and powers of ten: `7.98×10⁻⁵` of "7.98e-05"."""
    mantissa, _, power = text.partition("e")
    power = f"×10{str(int(power)).translate(SUPERSCRIPT)}" if power else ""
    return f"{mantissa}{power}".replace("-", "−")


def percent(fraction: float) -> str:
    """A share of a column, in percent without the sign: `12.3` of 0.1234."""
    return fixed(round(100 * fraction, 4))  # the same mean, summed in another order or in float32, is the same number


def as_given(fraction: float) -> str:
    """A share that somebody chose, in percent without the sign and not rounded: `50` of 0.5, `99.99999` of 0.9999999.
    Twelve digits, so that what arithmetic adds at the end of a float is not shown.
    """
    return f"{Decimal(f'{100 * fraction:.12g}').normalize():f}"


def in_caption(values) -> str:
    """`4,096` for one number, `3,968 to 4,096` for several."""
    low, high = int(min(values)), int(max(values))
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def table_name(number: str, paper: str = "", about: str = "") -> str:
    """`Table 4.1-1 (the paper's Table 1)`, `Table 4.4-2 (beyond the paper), against English`: the book's own number,
    which begins with the section, what the table is in the paper, and what it is about.
    """
    origin = f"the paper's {paper}" if paper else "beyond the paper"
    return f"Table {number} ({origin})" + (f", {about}" if about else "")


def listed(words) -> str:
    """`a`, `a and b`, `a, b and c`."""
    words = [str(word) for word in words]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def signed(value: float) -> str:
    """`+1.2`, `−0.3`, `0.0`."""
    return f"{value:+.1f}".replace("-", "−") if round(value, 1) else "0.0"


def number(value: float) -> str:
    """A number of a sentence: three significant digits with a real minus sign, whole numbers from a thousand on, powers
    of ten below a thousandth, a dash for none.
    """
    if not math.isfinite(value):
        return fixed(value)
    if abs(value) >= 1000 or value == 0:
        return f"{value:,.0f}".replace("-", "−")
    if abs(value) >= 0.001:
        return f"{value:#.3g}".rstrip(".").replace("-", "−")
    return with_powers(f"{value:.1e}")


def p_value(p: float) -> str:
    """Two significant digits, below a thousandth as a power of ten; a dash where there was no test."""
    if math.isnan(p):
        return "–"
    return number(p) if 0 < p < 0.001 else f"{p:.2g}"


def more_or_less(percent: float) -> str:
    """`12.0% more`, `3.00% less`, `–`."""
    return "–" if math.isnan(percent) else f"{number(abs(percent))}% {'less' if percent < 0 else 'more'}"


def duration(seconds: float) -> str:
    """`17 µs`, `3.65 ms`, `17.1 s`, `3 min 5 s`, `2 h 10 min`: three significant digits, whole seconds and minutes from
    a minute on.
    """
    short = float(f"{float(seconds):.3g}")
    if short < 60:
        unit, size = next(((unit, size) for unit, size in (("s", 1), ("ms", 1e-3)) if short >= size), ("µs", 1e-6))
        return f"{short / size:.3g} {unit if short else 's'}"
    minutes, rest = divmod(round(float(seconds)), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def uncapital(sentence: str) -> str:
    """A sentence that goes on from words before it: with a small first letter."""
    return sentence[:1].lower() + sentence[1:]
