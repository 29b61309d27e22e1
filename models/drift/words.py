"""What moved, in words, in a table and as JSON."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from rich.table import Table

from models.drift.pairs import Paired
from models.drift.rates import LEAST
from models.drift.shifts import LARGE, Comparison, Interval, Shift, Size
from models.drift.tracks import Sample
from models.drift.units import FEWEST, Unit, count
from pipeline.labels import LABELS

NAMES: Final = {"score": "detector score", "size": "face size", "dominant": "dominant label", "length": "track length"}
UNITS: Final = {"size": " px", "length": " s"}

WHOLES: Final = {Unit.DAY: "days of sources", Unit.RUN: "runs", Unit.TRACK: "tracks"}

FALLEN_APART: Final = 1.2
"""Rows per second of a face over those of the other output from which settings are said to differ."""

NAMED: Final = 10
"""Sources that are named at most."""

POINTS: Final = 0.05
"""Change of a label's share from which it is named."""


def outline(sample: Sample) -> str:
    """How much there is of what, in one line."""
    days = " to ".join(dict.fromkeys((sample.dates[0], sample.dates[-1])))
    counts = (len(sample.sources), "source"), (len(sample), "track"), (sample.rows, "row")
    return f"{', '.join(_count(number, name) for number, name in counts)}; {days}; {', '.join(sample.models)}"


def notes(ref: Sample, new: Sample) -> list[str]:
    """What was done otherwise in the two, before what was seen: it may be all there is to a shift."""
    told = []
    if ref.models != new.models:
        told.append(
            f"The networks differ ({', '.join(ref.models)}; {', '.join(new.models)}): what moved may be the network "
            "rather than the faces."
        )
    for name, sample, other in (("REF", ref, new), ("NEW", new, ref)):
        alone = sorted({*sample.sources} - {*other.sources})
        if alone:
            more = f" and {len(alone) - NAMED:,} more" if len(alone) > NAMED else ""
            told.append(f"Only in {name}: {', '.join(alone[:NAMED])}{more}.")
    if ref.clocks != new.clocks:
        told.append(f"Times come from {' and '.join(ref.clocks)} in REF, from {' and '.join(new.clocks)} in NEW.")
    rates = (ref.rate, new.rate)
    if all(rates) and max(rates) / min(rates) > FALLEN_APART:
        told.append(
            f"A face has {rates[0]:.1f} rows a second in REF and {rates[1]:.1f} in NEW: frame rates or settings differ."
        )
    shared = len({*ref.keys} & {*new.keys})
    if shared:
        told.append(f"{_count(shared, 'track')} of {len(ref)} and {len(new)} are in both.")
    for name, sample in (("REF", ref), ("NEW", new)):
        if sample.skipped:
            told.append(
                f"{_count(sample.skipped, 'row')} of {name} left out: a number is missing, or the label unknown."
            )
    return told


def together(found: Paired) -> str:
    """What two outputs say of the same faces, in one sentence."""
    apart = ", ".join(f"{label} {each:.4f}" for label, each in zip(LABELS, found.differences, strict=True))
    return (
        f"The same faces in the same frames of {_count(len(found.sources), 'source')} "
        f"({found.both:,} of {found.rows[0]:,} and {found.rows[1]:,} rows): the dominant label is the same in "
        f"{found.agreement:.1%}; mean absolute difference of {apart}."
    )


def sentences(found: Comparison) -> list[str]:
    """What moved, the most first; then how many tracks there are, and what chance was reckoned over."""
    told = [_verdict(found)]
    moved = [shift for shift in found.shifts if shift.size not in (Size.NONE, Size.UNKNOWN)]
    moved.sort(key=lambda shift: -shift.psi.value)
    told += [f"{_sentence(shift, found)}; {shift.size} shift." for shift in moved]
    if found.enough and not math.isnan(found.ratio.value):
        ratio = found.ratio
        told.append(
            f"Tracks per hour, from the first to the last of a day, on days with {LEAST} tracks or more: "
            f"{found.hourly[0]:.0f} in REF, {found.hourly[1]:.0f} in NEW "
            f"({ratio.low:.2g} to {ratio.high:.2g} times as many"
            f"{', so perhaps the same' if found.rarer is None else ''})."
        )
    if found.enough and any(shift.plain for shift in found.shifts):
        told.append(_reckoned(found))
    return told


def _reckoned(found: Comparison) -> str:
    if found.unit is Unit.TRACK:
        return (
            "Every track counts as another person's. Where one person gives several, p is too small, and more is "
            f"called a shift than there is; with {FEWEST} days or runs on each side these count instead."
        )
    return f"Chance is reckoned over {WHOLES[found.unit]}: {found.units[0]:,} in REF, {found.units[1]:,} in NEW."


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def _verdict(found: Comparison) -> str:
    whose = "" if found.source is None else f"{found.source}: "
    if not any(shift.plain for shift in found.shifts):
        return f"{whose}No drift: all distributions are the same."
    if not found.enough:
        return (
            f"{whose}Too few {WHOLES[found.unit]} to tell: REF has {found.units[0]} and NEW {found.units[1]}, and each "
            f"must have {FEWEST}. The figures may be chance."
        )
    counts = [
        (sum(shift.size is size for shift in found.shifts), size) for size in (Size.LARGE, Size.MODERATE, Size.SMALL)
    ]
    moved = " and ".join(f"{number} {size}" for number, size in counts if number)
    if moved:
        return f"{whose}Drift: {moved}, of {len(found.shifts)} quantities."
    unseen = [NAMES.get(shift.quantity, shift.quantity) for shift in found.shifts if shift.chance > LARGE]
    which = "" if len(unseen) == len(found.shifts) else f" of these: {', '.join(unseen)}"
    weak = f" With so few {WHOLES[found.unit]} chance alone may give a large shift{which}." if unseen else ""
    if found.rarer is not None:
        less = "Fewer" if found.rarer else "More"
        return f"{whose}{less} tracks per hour; nothing else moved further than chance would move it.{weak}"
    return f"{whose}No drift: nothing moved further than chance would move it.{weak}"


def _sentence(shift: Shift, found: Comparison) -> str:
    name = NAMES.get(shift.quantity, shift.quantity).capitalize()
    if shift.quantity == "dominant":
        pairs = sorted(zip(LABELS, *found.dominant.tolist(), strict=True), key=lambda each: -abs(each[2] - each[1]))
        changed = [each for each in pairs if abs(each[2] - each[1]) >= POINTS][:3] or pairs[:1]
        return f"{name}: " + ", ".join(f"{label} from {a:.0%} to {b:.0%}" for label, a, b in changed)
    unit = UNITS.get(shift.quantity, "")
    before, after = (value + unit for value in numbers(shift.quantity, shift.ref, shift.new))
    if shift.change.low <= 0 <= shift.change.high:
        return f"{name} is spread otherwise, with about the same mean ({before} and {after})"
    rose = shift.change.low > 0
    ends = sorted(abs(each) for each in (shift.change.low, shift.change.high))
    by = f"{' to '.join(numbers(shift.quantity, *ends))} {'more' if rose else 'less'}"
    return f"{name} {'rose' if rose else 'fell'} from {before} to {after} ({by})"


def numbers(quantity: str, *values: float) -> list[str]:
    """Values of a quantity, all with the digits that tell of the largest.

    >>> numbers("happiness", 0.214, 0.0044), numbers("contempt", 0.0044), numbers("size", 52.3), numbers("length", 7.25)
    (['0.21', '0.00'], ['0.004'], ['52'], ['7.2'])
    """
    most = max(map(abs, values))
    digits = 3 if most < 0.1 else 2
    if quantity in UNITS:
        digits = 0 if quantity == "size" else 1 if most >= 1 else 2
    # Adding nothing takes the sign off a zero.
    return [f"{round(value, digits) + 0.0:.{digits}f}" for value in values]


def tables(found: Comparison) -> list[Table]:
    """All figures, for people: the means, and how far the distributions lie apart if there are tracks enough."""
    means, apart = Table(title=found.source), Table()
    _columns(means, "mean of", "REF", "NEW", "change, 95 %", "dominant")
    _columns(apart, "distribution of", "PSI, 95 %", "JSD, 95 %, bits", "p", "shift")
    for shift in found.shifts:
        name = NAMES.get(shift.quantity, shift.quantity)
        if shift.quantity != "dominant":
            shares = found.dominant[:, LABELS.index(name)] if name in LABELS else ()
            ends = numbers(shift.quantity, shift.change.low, shift.change.high) if found.enough else []
            means.add_row(
                name + UNITS.get(shift.quantity, "").replace(" ", ", "),
                *numbers(shift.quantity, shift.ref, shift.new),
                " to ".join(ends),
                " → ".join(f"{share:.0%}" for share in shares),
            )
        apart.add_row(name, _interval(shift.psi), _interval(shift.divergence), f"{shift.p:.3f}", str(shift.size))
    return [means, apart] if found.enough else [means]


def _columns(table: Table, first: str, *others: str) -> None:
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")


def _interval(told: Interval) -> str:
    return f"{told.value:.2f} ({told.low:.2f} to {told.high:.2f})"


def report(ref: Sample, new: Sample, found: Sequence[Comparison], pairs: Paired | None) -> dict[str, Any]:
    """Everything as JSON takes it: what there is no number for is null."""
    told: dict[str, Any] = {}
    for name, sample in (("ref", ref), ("new", new)):
        told[name] = {
            "sources": sample.sources,
            "tracks": len(sample),
            "rows": sample.rows,
            "skipped": sample.skipped,
            "runs": count(sample, Unit.RUN),
            "days": count(sample, Unit.DAY),
            "dates": sample.dates,
            "models": sample.models,
            "clocks": sample.clocks,
        }
    told["notes"] = notes(ref, new)
    told["paired"] = (
        None if pairs is None else asdict(pairs) | {"differences": dict(zip(LABELS, pairs.differences, strict=True))}
    )
    told["comparisons"] = [
        asdict(each)
        | {"dominant": {label: each.dominant[:, index].tolist() for index, label in enumerate(LABELS)}}
        | {"sentences": sentences(each)}
        for each in found
    ]
    return {key: _plain(value) for key, value in told.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    # JSON has no NaN.
    return None if isinstance(value, float) and not math.isfinite(value) else value
