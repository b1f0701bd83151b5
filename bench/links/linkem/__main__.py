"""`python -m bench.links.linkem`: an emulated link for a shell.

run --profile edge-2g --server "puente demo" --wait-port 8080 -- COMMAND   the command runs behind the link
cut NETWORK CLIENT SECONDS | set NETWORK CLIENT down.rate_kbps=64 … | stats NETWORK | profiles | clean
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from types import FrameType

from bench.links.linkem import namespaces
from bench.links.linkem.network import SERVER, LinkError, Network, ask
from bench.links.linkem.profiles import PROFILES, profile
from bench.links.linkem.settings import parse
from bench.links.linkem.trace import Event, Trace

CLIENT = "c1"


def _run(wanted: argparse.Namespace, command: list[str]) -> int:
    """Run a command behind a link, print the link's counters, return the command's exit code."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    link = profile(wanted.profile).changed(parse(wanted.set))
    network = Network({CLIENT: link}, seed=wanted.seed, name=wanted.name)
    try:
        with network:
            environment = os.environ | {"LINKEM_SERVER": network.server_ip, "LINKEM_NAME": network.name}
            if wanted.server:
                serve = network.command(SERVER, ["/bin/sh", "-c", wanted.server])
                subprocess.Popen(serve, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr)
            if wanted.wait_port:
                network.wait_port(wanted.wait_port)
            code = subprocess.run(network.command(wanted.at, command), env=environment, check=False).returncode
    except KeyboardInterrupt:
        code = 130
    print(json.dumps(network.last))
    return code


def main(arguments: list[str]) -> int:
    """Parse and do."""
    parser = argparse.ArgumentParser(prog="python -m bench.links.linkem", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    subs = parser.add_subparsers(dest="do", required=True)
    run = subs.add_parser("run")
    run.add_argument("--profile", default="lan", choices=PROFILES)
    run.add_argument("--set", action="append", default=[], metavar="[up.|down.]NAME=VALUE")
    run.add_argument("--name", default="")
    run.add_argument("--seed", type=int, default=1)
    run.add_argument("--server", metavar="COMMAND", help="shell command for the server's side")
    run.add_argument("--wait-port", type=int)
    run.add_argument("--at", default=CLIENT, choices=(CLIENT, SERVER))
    for name in ("stats", "cut", "set"):
        sub = subs.add_parser(name)
        sub.add_argument("network")
        if name != "stats":
            sub.add_argument("client")
        if name == "cut":
            sub.add_argument("seconds", type=float)
        if name == "set":
            sub.add_argument("settings", nargs="+", metavar="[up.|down.]NAME=VALUE")
    subs.add_parser("profiles")
    subs.add_parser("clean")
    split = arguments.index("--") if "--" in arguments else len(arguments)
    wanted = parser.parse_args(arguments[:split])
    try:
        match wanted.do:
            case "run":
                return _run(wanted, arguments[split + 1 :] or parser.error("no COMMAND after --"))
            case "stats":
                print(json.dumps(ask(wanted.network, do="stats"), indent=1))
            case "cut":
                trace = Trace((Event(0, cut_s=wanted.seconds),))
                ask(wanted.network, do="play", client=wanted.client, trace=trace.to_json())
            case "set":
                events = tuple(Event(0, (way,), change) for way, change in parse(wanted.settings).items() if change)
                ask(wanted.network, do="play", client=wanted.client, trace=Trace(events).to_json())
            case "profiles":
                for found in PROFILES.values():
                    print(f"{found.name:14s} up {found.up.rate_kbps:g} down {found.down.rate_kbps:g} kbit/s, "
                          f"{found.down.delay_ms:g} ms, loss {found.down.loss_pct:g} %")  # fmt: skip
            case "clean":
                with namespaces.all_locked():
                    print(json.dumps({"removed": namespaces.sweep()}))
    except (LinkError, ValueError) as error:
        print(f"linkem: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
