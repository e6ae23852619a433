"""Tables of what other tools decided. Every decision is counted; a run without one is counted separately and listed."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from benchmarks.intervals import shown
from benchmarks.trial import aligned
from benchmarks.verdicts.peers_answers import Answer
from benchmarks.verdicts.peers_project import CULPRIT, Change
from benchmarks.verdicts.peers_results import Decision
from benchmarks.verdicts.peers_tools import TOOLS, Tool
from benchmarks.verdicts.shop import WORKLOADS


def rate(answers: Sequence[Answer]) -> str:
    return shown(sum(answer.alarmed for answer in answers), len(answers)) if answers else "–"


def by_tool(decisions: Sequence[Decision], tools: Iterable[Tool]) -> Iterator[tuple[Tool, str, list[Decision]]]:
    """Versions of a tool are kept apart."""
    for tool in tools:
        own = [d for d in decisions if d.cell.tool == tool.name]
        for version in sorted({d.version for d in own}):
            yield tool, version, [d for d in own if d.version == version]


def chosen(decisions: Iterable[Decision], rule: str, change: Change) -> list[Answer]:
    return [d.answers[rule] for d in decisions if d.cell.change == str(change) and rule in d.answers]


def alarms(decisions: Sequence[Decision], tools: Sequence[Tool], changes: Sequence[Change]) -> str:
    """Alarms of all runs that reached a decision, for each rule and change; then how many runs reached none."""
    changed = (str(change) for change in changes)
    rows: list[tuple[str, ...]] = [("tool", "rule", *changed, "no decision", "CPU s per side", "with the rest")]
    for tool, version, own in by_tool(decisions, tools):
        used = (f"{median(d.measuring for d in own):.1f}", f"{median(d.everything for d in own):.1f}")
        for rule in tool.rules:
            rates = (rate(chosen(own, rule, change)) for change in changes)
            broken = sum(d.broken is not None for d in own)
            rows.append((f"{tool.name} {version}", rule, *rates, f"{broken}/{len(own)}", *used))
    return aligned(rows)


def blame(decisions: Sequence[Decision], tools: Sequence[Tool], changes: Sequence[Change]) -> str:
    """Of all decisions on a slower leaf, with or without an alarm: how often the leaf was named first."""
    regressions = [change for change in changes if change.is_regression]
    rows: list[tuple[str, ...]] = [("tool", "rule", *map(str, regressions))]
    for tool, version, own in by_tool(decisions, [tool for tool in tools if tool.names_functions]):
        for rule in tool.rules:
            counts = []
            for change in regressions:
                given = chosen(own, rule, change)
                first = sum(answer.alarmed and answer.named[:1] == (CULPRIT,) for answer in given)
                counts.append(shown(first, len(given)) if given else "–")
            rows.append((f"{tool.name} {version}", rule, *counts))
    return aligned(rows)


def truth(verified: dict[str, dict[str, float]], workloads: Sequence[str], changes: Sequence[Change]) -> str:
    rows: list[tuple[str, ...]] = [("workload", "change", "wanted", "median of pairs", "fastest", "pairs")]
    for workload, change in itertools.product(workloads, changes):
        found = verified.get(f"{workload} {change}")
        if found:
            ratios = (f"{100 * (found[name] - 1):+.2f} %" for name in ("expected", "ratio", "fastest"))
            rows.append((workload, str(change), *ratios, str(found["pairs"])))
    return aligned(rows)


def failures(decisions: Iterable[Decision]) -> str:
    return "\n".join(f"{d.cell.tool} {d.version} {d.cell.slug}: {d.broken}" for d in decisions if d.broken is not None)


def report(
    decisions: Sequence[Decision], verified: dict[str, dict[str, float]], changes: Sequence[Change] = tuple(Change)
) -> str:
    """One table of alarms for each condition, budget and workload, and one for all workloads together."""
    parts = []
    tools = list(TOOLS.values())
    kinds = sorted({(d.cell.condition, d.cell.budget) for d in decisions})
    for condition, budget in kinds:
        own = [d for d in decisions if (d.cell.condition, d.cell.budget) == (condition, budget)]
        workloads = [w for w in WORKLOADS if any(d.cell.workload == w for d in own)]
        for group in ([workloads] if len(workloads) > 1 else []) + [[workload] for workload in workloads]:
            name = " + ".join(group)
            of_it = [d for d in own if d.cell.workload in group]
            parts.append(f"alarms, {condition}, {budget:g} CPU s per side, {name}\n\n{alarms(of_it, tools, changes)}")
        parts.append(f"alarmed and named {CULPRIT} first, {condition}, {budget:g} s\n\n{blame(own, tools, changes)}")
    if verified:
        parts.append(f"true ratios, measured alone\n\n{truth(verified, WORKLOADS, changes)}")
    broken = failures(decisions)
    if broken:
        parts.append(f"no decision\n\n{broken}")
    return "\n\n\n".join(parts)
