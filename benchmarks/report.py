"""Tables and plots of a run of the benchmark: results.md and plots/*.png."""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .rows import CTYPES, OURS, PROBE_PEERS, Goal, Peer, Row

if TYPE_CHECKING:
    from .bench import Cell

ROOT = Path(__file__).resolve().parent.parent
Found = dict[str, dict[str, "Cell"]]
# Colours that tell apart on white and on black, for most eyes; ours first.
COLOURS = ("#e6550d", "#fdae6b", "#3182bd", "#31a354", "#756bb1", "#d6616b", "#8c6d31", "#7b8a8b", "#17becf")
MARKERS = ("D", "d", "o", "s", "^", "v", "P", "X", "*")


def number(value: float, unit: str = "") -> str:
    """A figure with three digits, and its unit."""
    size = abs(value)
    text = (
        f"{value:,.0f}"
        if size >= 100
        else f"{value:.1f}"
        if size >= 10
        else f"{value:.2f}"
        if size >= 0.1
        else f"{value:.2g}"
    )
    return f"{text} {unit}".strip() if unit != "x" else text


def middle(cell: Cell | None) -> float | None:
    """The median of the rounds' medians of wall time."""
    return statistics.median(cell.wall) if cell and cell.wall else None


def spread(cell: Cell) -> float:
    """The interquartile range of the rounds' medians, as part of their median."""
    if len(cell.wall) < 2:
        return 0.0
    low, _, high = statistics.quantiles(cell.wall, n=4, method="inclusive")
    return (high - low) / abs(statistics.median(cell.wall) or 1.0)


def ratio(mine: list[float], theirs: list[float]) -> float | None:
    """The median of the ratios within the rounds."""
    pairs = [a / b for a, b in zip(mine, theirs, strict=False) if b > 0]
    return statistics.median(pairs) if pairs else None


def best_peer(row: Row, cells: dict[str, Cell], peers: list[Peer]) -> str | None:
    """The library from PyPI with the best median."""
    values = {
        peer.name: value for peer in peers if peer.requirement and (value := middle(cells[peer.name])) is not None
    }
    if not values:
        return None
    return (max if row.more else min)(values, key=lambda name: values[name])


def probe_scale(row: Row, cells: dict[str, Cell]) -> float | None:
    """How much slower this machine is than the one of the probe's figures, by the peers that both measured."""
    factors = [
        value / then for name, then in PROBE_PEERS[row.name].items() if (value := middle(cells.get(name))) is not None
    ]
    return statistics.median(factors) if factors else None


def judge(row: Row, goal: Goal, found: Found, peers: list[Peer]) -> tuple[str, str, bool | None]:
    """A goal in words, what was reached, and whether that is enough; None: it was not measured."""
    cells = found[row.name]
    mine = cells.get(goal.lane)
    value: float | None = middle(mine)
    sign = "≥" if goal.least else "≤"
    bound = f"1/{1 / goal.bound:.0f}" if goal.bound < 0.1 and goal.against else number(goal.bound)
    if goal.against == "":
        text = f"{sign} {number(goal.bound, row.unit)}"
        reached = "" if value is None else number(value, row.unit)
    else:
        which, _, argument = goal.against.partition(" ")
        other: Cell | None
        if which == "probe":
            scale = probe_scale(row, cells)
            probe = float(argument) * scale if scale else 0.0
            value = value / probe if value is not None and probe else None
            text = f"ctypes lane {sign} {bound} of the probe"
            reached = "" if value is None else f"{value:.2f} of {number(probe, row.unit)}"
        else:
            if which == "row":
                name, other = argument, found.get(argument, {}).get(goal.lane)
            else:
                name = (best_peer(row, cells, peers) or "") if goal.against == "best" else goal.against
                other = cells.get(name)
            value = ratio(mine.wall, other.wall) if mine and other else None
            text = f"{sign} {bound} of {goal.against if which != 'row' else argument}"
            reached = "" if value is None else f"{value:.2f}" if value >= 0.1 else f"1/{1 / value:.0f}"
            if value is not None and goal.against == "best":
                reached += f" ({name})"
    if value is None:
        return text, "not measured", None
    return text, reached, value >= goal.bound if goal.least else value <= goal.bound


def line(row: Row, cells: dict[str, Cell], peers: list[Peer]) -> str:
    """A row in short, for the terminal."""
    parts = [f"{peer.name} {number(value)}" for peer in peers if (value := middle(cells[peer.name])) is not None]
    reasons = [
        f"{peer.name}: {cells[peer.name].reason}" for peer in peers if not peer.requirement and cells[peer.name].reason
    ]
    return f"{row.name} ({row.unit}): {', '.join([*parts, *reasons])}"


def goals_table(rows: list[Row], found: Found, peers: list[Peer]) -> list[str]:
    """Goals and what was reached."""
    lines = [
        "| | ours | spread | best peer | ratio, wall | ratio, CPU | goal | reached | |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        for place, goal in enumerate(row.goals):
            cells = found[row.name]
            mine, best = cells.get(goal.lane), best_peer(row, cells, peers)
            theirs = cells[best] if best else None
            value = middle(mine)
            wall = ratio(mine.wall, theirs.wall) if mine and theirs else None
            cpu = ratio(mine.cpu, theirs.cpu) if mine and theirs else None
            text, reached, met = judge(row, goal, found, peers)
            first = place == 0 or goal.lane != OURS
            columns = [
                row.title if first else "",
                "" if not first else "-" if value is None else number(value, row.unit),
                f"{spread(mine):.0%}" if first and mine and value is not None else "",
                f"{best} {number(middle(theirs) or 0.0, row.unit)}" if first and best else "",
                f"{wall:.2f}" if first and wall else "",
                f"{cpu:.2f}" if first and cpu else "",
                text,
                reached,
                "" if met is None else "met" if met else "**missed**",
            ]
            lines.append(f"| {' | '.join(columns)} |")
    return lines


def peers_table(rows: list[Row], found: Found, peers: list[Peer], kind: str, reasons: list[str]) -> list[str]:
    """All figures of a group of rows; what is missing gets a note."""
    lines = [f"| | {' | '.join(peer.name for peer in peers)} |", "|---" * (len(peers) + 1) + "|"]
    for row in rows:
        values = {peer.name: getattr(found[row.name][peer.name], kind) for peer in peers}
        medians = {name: statistics.median(value) for name, value in values.items() if value}
        if not medians:
            continue
        best = (max if row.more else min)(medians, key=lambda name: medians[name])
        columns = []
        for peer in peers:
            cell = found[row.name][peer.name]
            if peer.name in medians:
                text = number(medians[peer.name])
                columns.append(f"**{text}**" if peer.name == best else text)
            elif cell.reason:
                if cell.reason not in reasons:
                    reasons.append(cell.reason)
                columns.append(f"- ({reasons.index(cell.reason) + 1})")
            else:
                columns.append("")
        unit = "" if row.unit == "x" else f", {row.unit}"
        lines.append(f"| {row.title}{unit} | {' | '.join(columns)} |")
    return lines


def markdown(rows: list[Row], peers: list[Peer], found: Found, took: str, disturbed: float, plots: list[str]) -> str:
    """The page."""
    native = json.loads((ROOT / "py_mini_racer" / "native.json").read_text())
    versions = ", ".join(peer.requirement.replace("==", " ") for peer in peers if peer.requirement)
    judged = [judge(row, goal, found, peers)[2] for row in rows for goal in row.goals]
    reasons: list[str] = []
    native_v8 = f"V8 {native['v8_version']} ({native['provider']})"
    where = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[1]:.1f}"
    about = (
        f"Written by `make bench` on {time.strftime('%Y-%m-%d', time.gmtime())} in {took}: {where}, "
        f"{platform.python_implementation()} {platform.python_version()}. Ours: {native_v8}, in the fast lane and in the ctypes lane. Beside it: {versions}."
    )
    how = (
        "All run the same work in one go, in turn; each round's median counts as one, and the tables have the medians of the rounds. Ratios are taken "
        "within a round; spread is the interquartile range of ours. The best of a row is bold."
    )
    calm = (
        "Nothing else disturbed it."
        if disturbed < 0.01
        else f"In {disturbed:.0%} of the turns, repeated ones included, other work kept a library from the cores for more than a tenth of the time."
    )
    text = [
        "# Beside the others",
        "",
        f"{about} {calm}",
        "",
        how,
        "",
        f"## Goals: {judged.count(True)} met, {judged.count(False)} missed, {judged.count(None)} not measured",
        "",
        *goals_table(rows, found, peers),
        "",
    ]
    groups = list(dict.fromkeys(row.group for row in rows))
    for group in groups:
        inside = [row for row in rows if row.group == group]
        text += [f"## {group}", "", *peers_table(inside, found, peers, "wall", reasons), ""]
        text += picture(group, plots)
    text += ["## The same in CPU time of the process", ""]
    text += [*peers_table(rows, found, peers, "cpu", reasons), ""]
    if reasons:
        text += [
            "## Why there is no figure",
            "",
            *(f"{place}. {reason}" for place, reason in enumerate(reasons, 1)),
            "",
        ]
    return "\n".join(text)


def file_name(group: str) -> str:
    """A group's plot."""
    return re.sub(r"\W+", "-", group.lower()).strip("-")


def picture(group: str, plots: list[str]) -> list[str]:
    """The plot, for light and dark pages."""
    name = file_name(group)
    if f"{name}-light.png" not in plots:
        return []
    dark = f'<source media="(prefers-color-scheme: dark)" srcset="plots/{name}-dark.png">'
    return [f'<picture>{dark}<img src="plots/{name}-light.png" alt="{group}: a plot of the table above"></picture>', ""]


def plot(folder: Path, group: str, rows: list[Row], peers: list[Peer], found: Found) -> list[Path]:
    """Each row's figures as multiples of ours, on a logarithmic scale."""
    import matplotlib as mpl  # noqa: PLC0415  (the tables need none)
    import matplotlib.pyplot as plt  # noqa: PLC0415

    mpl.use("Agg")

    drawn = [row for row in rows if middle(found[row.name].get(OURS)) and best_peer(row, found[row.name], peers)]
    if not drawn:
        return []
    written = []
    for mode, ink, paper in (("light", "#24292f", "#ffffff"), ("dark", "#e6edf3", "#0d1117")):
        figure, axes = plt.subplots(figsize=(10, 1.4 + 0.42 * len(drawn)), facecolor=paper)
        axes.set_facecolor(paper)
        for place, row in enumerate(reversed(drawn)):
            axes.axhline(place, color=ink, alpha=0.12, linewidth=0.8)
            mine = middle(found[row.name][OURS]) or 1.0
            axes.annotate(
                f" {number(mine, row.unit)}",
                (1, place),
                color=ink,
                fontsize=7,
                xytext=(4, 4),
                textcoords="offset points",
            )
        for peer, colour, marker in zip(peers, COLOURS, MARKERS, strict=False):
            points = []
            for place, row in enumerate(reversed(drawn)):
                value, own = middle(found[row.name][peer.name]), middle(found[row.name][OURS])
                if value and own and value > 0:
                    points.append((own / value if row.more else value / own, place))
            if points:
                axes.plot(
                    *zip(*points, strict=True),
                    marker,
                    color=colour,
                    label=peer.name,
                    markersize=8 if peer.name == OURS else 6,
                )
        axes.axvline(1, color=COLOURS[0], linewidth=1)
        axes.set_xscale("log")
        axes.set_yticks(
            range(len(drawn)), [re.sub("`", "", row.title) for row in reversed(drawn)], color=ink, fontsize=8
        )
        axes.tick_params(colors=ink, which="both", labelsize=8)
        axes.set_xlabel("times ours (right: slower, or more memory)", color=ink, fontsize=8)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.set_title(group, color=ink, loc="left", fontsize=11)
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, labelcolor=ink, fontsize=8)
        path = folder / f"{file_name(group)}-{mode}.png"
        figure.savefig(path, dpi=110, bbox_inches="tight", facecolor=paper, metadata={"Software": None})
        plt.close(figure)
        written.append(path)
    return written


def write(target: Path, rows: list[Row], peers: list[Peer], found: Found, took: str, disturbed: float) -> list[Path]:
    """The page, the plots, and the rounds' figures for whoever wants to look closer."""
    raw = ROOT / "build" / "bench" / "results.json"  # first: what was measured is kept, whatever becomes of the rest
    raw.write_text(
        json.dumps({row: {name: vars(cell) for name, cell in cells.items()} for row, cells in found.items()}, indent=1)
    )
    plots = target / "plots"
    plots.mkdir(parents=True, exist_ok=True)
    written = []
    for group in dict.fromkeys(row.group for row in rows):
        written += plot(plots, group, [row for row in rows if row.group == group], peers, found)
    page = target / "results.md"
    page.write_text(markdown(rows, peers, found, took, disturbed, [path.name for path in written]), encoding="utf-8")
    return [page, raw, *written]


__all__ = ["CTYPES", "line", "write"]
