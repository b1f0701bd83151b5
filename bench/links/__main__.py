"""`python -m bench.links run | table | again | judge | report`: the call that survives, on bad links, measured.

run     one call: --server puente --patient edge-2g --seed 1 --secs 25 --json out.json (--secs 600: does it hold?)
table   all cells that are not there yet, or were not valid, then their table and the goals
again   the cells that are there, analysed anew from what was kept of their calls (after a change of the analysis)
judge   the goals by the cells that are there
report  docs/links.md and its plots, by the cells that are there

Exit codes: 0 all goals are met, 1 one is not (or was not measured), 2 it could not be measured at all.
"""

from __future__ import annotations

import argparse
import dataclasses
import pickle
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from bench.figures import RESULTS, Unfit
from bench.links import report, table
from bench.links.call import WARM_S, Plan, take
from bench.links.goals import BESIDE, LINKS, OURS, Verdict, fit, judge
from bench.links.linkem.network import LinkError
from bench.links.linkem.profiles import PROFILES
from bench.links.linkem.settings import parse
from bench.links.measure import cell
from bench.links.result import Cell
from bench.links.servers import SERVERS
from bench.machine import TREE

KEPT = RESULTS / "links"
TRIES = 2
"""Of a cell whose run was not valid."""


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.links", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    subs = parser.add_subparsers(dest="do", required=True)
    for name in ("run", "table"):
        sub = subs.add_parser(name)
        sub.add_argument("--seed", type=int, default=1, help="of the links' draws; the first of several")
        sub.add_argument("--secs", type=float, default=0.0, help="window (default: what suits the link)")
        sub.add_argument("--warm", type=float, default=WARM_S, help="seconds from the call being up to the window")
        sub.add_argument("--nurse", default="good-4g", choices=PROFILES, metavar="LINK")
        sub.add_argument("--set", action="append", default=[], metavar="[up.|down.]NAME=VALUE",
                         help="change the patient's link, say up.rate_kbps=40")  # fmt: skip
        sub.add_argument("--tree", type=Path, default=TREE, help="other sources of the product to measure")
        sub.add_argument("--pictures", action="store_true", help="keep a screenshot of each page beside the logs")
        if name == "run":
            sub.add_argument("--server", default=OURS, choices=SERVERS)
            sub.add_argument("--patient", default="good-4g", choices=PROFILES, metavar="LINK")
            sub.add_argument("--json", type=Path, help="also keep the cell in this file")
        else:
            sub.add_argument("--seeds", type=int, default=1, help="how many")
    for name in ("table", "again", "judge", "report"):
        sub = subs.choices[name] if name in subs.choices else subs.add_parser(name)
        sub.add_argument("--servers", type=_words, default=[OURS, *BESIDE])
        sub.add_argument("--links", type=_words, default=list(LINKS))
        sub.add_argument("--results", type=Path, default=KEPT, help="folder of cells")
    return parser


def _plan(wanted: argparse.Namespace, server: str, link: str, seed: int) -> Plan:
    return Plan(
        server, link, seed=seed, secs=wanted.secs, warm_s=wanted.warm, nurse_link=wanted.nurse,
        change=parse(wanted.set), tree=wanted.tree.resolve(), pictures=wanted.pictures,
    )  # fmt: skip


def _show(found: Cell) -> None:
    print(table.text([table.header(), *table.rows(found)]))
    print(f"{found.server} on {found.link}, seed {found.seed}: {table.fitness(found)}")
    for note in found.notes:
        print(f"  note: {note}")
    sys.stdout.flush()


def _verdicts(verdicts: Sequence[Verdict]) -> int:
    """Print goals; 0 where all are met."""
    for verdict in verdicts:
        print(verdict)
    missed = sum(not verdict.met for verdict in verdicts)
    print(f"{len(verdicts) - missed} of {len(verdicts)} goals met")
    return 1 if missed or not verdicts else 0


def _measure(plan: Plan) -> Cell:
    """Make a call, keep all that was taken of it (some 20 MB), and analyse it."""
    taken = take(plan)
    with plan.raw.open("wb") as file:
        pickle.dump(taken, file)
    return cell(taken)


def _again(wanted: argparse.Namespace) -> int:
    for kept in (each for some in _cells(wanted).values() for each in some):
        plan = Plan(kept.server, kept.link, seed=kept.seed)
        if not plan.raw.exists():
            print(f"{plan.name}: nothing was kept of the call", file=sys.stderr)
            continue
        with plan.raw.open("rb") as file:
            found = cell(pickle.load(file))  # our own file
        found = dataclasses.replace(found, at=kept.at, revision=kept.revision)
        found.write(wanted.results / f"{plan.name}.json")
        _show(found)
    return _judge(wanted)


def _run(wanted: argparse.Namespace) -> int:
    found = _measure(_plan(wanted, wanted.server, wanted.patient, wanted.seed))
    _show(found)
    if wanted.json:
        found.write(wanted.json)
    if wanted.server != OURS:
        return 0
    return _verdicts(judge(wanted.patient, [found], {}))


def _cells(wanted: argparse.Namespace) -> dict[tuple[str, str], list[Cell]]:
    """Kept cells by link and server."""
    found: dict[tuple[str, str], list[Cell]] = {}
    for path in sorted(wanted.results.glob("*.json")):
        kept = Cell.read(path)
        if kept.link in wanted.links and kept.server in wanted.servers:
            found.setdefault((kept.link, kept.server), []).append(kept)
    return found


def _measure_missing(wanted: argparse.Namespace) -> None:
    for link in wanted.links:
        for seed in range(wanted.seed, wanted.seed + wanted.seeds):
            for server in wanted.servers:
                plan = _plan(wanted, server, link, seed)
                path = wanted.results / f"{plan.name}.json"
                if path.exists() and Cell.read(path).valid:
                    continue
                for _ in range(TRIES):
                    try:
                        found = _measure(plan)
                    except (Unfit, LinkError) as error:
                        print(f"{plan.name}: not measured: {error}", file=sys.stderr, flush=True)
                        continue
                    found.write(path)
                    _show(found)
                    if found.valid:
                        break


def _judge(wanted: argparse.Namespace) -> int:
    cells = _cells(wanted)
    lines = [row for link in wanted.links for server in wanted.servers for each in cells.get((link, server), ())
             for row in table.rows(each)]  # fmt: skip
    if lines:
        print(table.text([table.header(), *lines]))
    verdicts: list[Verdict] = []
    for link in wanted.links:
        ours = fit(cells.get((link, OURS), []))
        if not ours:
            verdicts.append(Verdict(link, "both", "is measured", None, False))
        beside = {server: fit(cells[link, server]) for server in BESIDE if (link, server) in cells}
        verdicts += judge(link, ours, beside)
    invalid = [each for some in cells.values() for each in some if not each.valid]
    for each in invalid:
        print(f"{each.server}.{each.link}.{each.seed}: {table.fitness(each)}")
    return _verdicts(verdicts) or int(bool(invalid))


def main() -> int:
    """Parse and do."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(143)

    signal.signal(signal.SIGTERM, end)  # so that browsers, servers and links are taken down
    wanted = _parser().parse_args()
    try:
        match wanted.do:
            case "run":
                return _run(wanted)
            case "table":
                _measure_missing(wanted)
                return _judge(wanted)
            case "again":
                return _again(wanted)
            case "judge":
                return _judge(wanted)
            case _:
                report.write(_cells(wanted), wanted.links, wanted.servers)
                return 0
    except (Unfit, LinkError, ValueError) as error:
        print(f"bench.links: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
