"""The benchmarks as bars: how far each target was reached on each machine."""

from textwrap import fill
from typing import NamedTuple

from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from calibbook.appendix_h_kernels.comparisons import GB, TARGETS, Comparison
from calibbook.appendix_h_kernels.results import Machine, as_asked, missing, verdict
from calibbook.shared.figure import Picture, panels
from calibbook.shared.palette import looks

FINE = "#ffffff"


class Bar(NamedTuple):
    """One line of the drawing; `share` is how far the target was reached (1 = reached), None where there is no
    number.
    """

    what: str
    machine: str
    share: float | None
    text: str
    as_asked: bool


def bars(machines: list[Machine]) -> list[Bar]:
    """Every target as it was asked, or why it was not measured, followed by what was measured of it in other sizes or
    on other devices.

    Ratios alone can be carried over to another size; gigabytes cannot.
    """
    found = []
    for target in TARGETS:
        asked = as_asked(target, machines)
        if not asked:
            found.append(Bar(_label(target, target.size), "", None, missing(target, machines), True))
        found += [_bar(target, machine, row) for machine, row in asked]
        if target.unit == GB:
            continue
        others = [
            (machine, row)
            for machine in machines
            for row in machine.rows
            if row["key"] == target.key and not row["as_asked"]
        ]
        found += [_bar(target, machine, row) for machine, row in others if row["value"] is not None]
    return found


def against_targets(machines: list[Machine]) -> Picture:
    """Bars that start at the target, on a logarithmic axis: to the right is better. Hatched: another size or device
    than the target is meant for.
    """
    lines = bars(machines)
    names = list(dict.fromkeys(line.machine for line in lines if line.machine))
    colours = {name: style.colour for name, style in looks(names, names).items()}
    figure, (axis,) = panels(1, 1, 10.5, 0.46 * len(lines), margin=(0, 1.4))
    axis.set_xscale("log")
    shares = [line.share for line in lines if line.share is not None]
    # room for what is written beside a bar
    axis.set_xlim(min([0.2, *(share / 2 for share in shares)]), 20 * max([1, *shares]))
    for place, line in enumerate(lines):
        if line.share is not None:
            style = (
                {"color": colours[line.machine]}
                if line.as_asked
                else {"facecolor": FINE, "edgecolor": colours[line.machine], "hatch": "////"}
            )
            axis.barh(place, line.share - 1, left=1, height=0.6, **style)
        axis.annotate(
            line.text, (max(1, line.share or 1), place), (4, 0), textcoords="offset points", va="center", fontsize=8
        )
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.axvline(1, color="#000000", linewidth=1)
    axis.set_yticks(range(len(lines)), [fill(line.what, 60) for line in lines], fontsize=8)
    axis.set_ylim(len(lines) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.set_xlabel("how far the target is reached (1 = reached, more is better)", fontsize=9)
    keys = [Patch(color=colour, label=name) for name, colour in colours.items()]
    if any(not line.as_asked for line in lines):
        keys.append(
            Patch(
                facecolor=FINE,
                edgecolor="#333333",
                hatch="////",
                label="another size or device than the target is meant for",
            )
        )
    if keys:
        figure.legend(handles=keys, loc="outside upper left", fontsize=8, frameon=False)

    return Picture(figure, _in_words(lines))


def _in_words(lines: list[Bar]) -> str:
    """What the bars show together; each of them is a row of the table beside them."""
    asked = [line for line in lines if line.as_asked]
    missed = [line for line in asked if line.share is not None and line.share < 1]
    reached = sum(line.share is not None and line.share >= 1 for line in asked)
    unknown = sum(line.share is None for line in asked)
    others = [line.share for line in lines if not line.as_asked and line.share is not None]
    named = "; ".join(f"{line.what} on {line.machine}, {line.share:.3g} of the target" for line in missed)
    return (
        "Bars: how far each speed target is reached; 1 is the target, more is better. With the size and on the kind of "
        f"machine that they are meant for: {reached} reached, {unknown} not measured, {len(missed)} missed"
        f"{named and f' ({named})'}. In other sizes or on other devices: {len(others)} measured, "
        f"{sum(share >= 1 for share in others)} of them at the target or beyond."
    )


def _bar(target: Comparison, machine: Machine, row: dict) -> Bar:
    label = _label(target, row["size"])
    if row["value"] is None:
        return Bar(label, machine.name, None, verdict(target, row), True)
    text = f"{row['value']:.3g} {target.unit} (target {target.sense} {target.target:g})"
    return Bar(label, machine.name, target.share(row["value"]), text, row["as_asked"])


def _label(target: Comparison, size: str) -> str:
    return f"{target.what}, {size}{f', against {target.against}' if target.against else ''}"
