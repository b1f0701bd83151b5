"""The waiting room under any sequence of steps."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from signaling.deadlines import Deadlines
from signaling.pairing import Pairing
from signaling.store import Store, open_store
from tests.signaling.pairing_invariants import Room, replay
from tests.signaling.pairing_steps import STEPS, Steps

PASSING_MS = (1, 1, 1_000, 1_000, 5_000, 20_001, 30_001, 60_001, 120_001, 900_001)


def machine(run: Callable[[Any], Any], client: Any) -> type[RuleBasedStateMachine]:
    """The state machine on a store; `run` runs a coroutine to its end."""

    class WaitingRoom(RuleBasedStateMachine):
        """Two processes, a few people, and time."""

        @initialize(seed=st.integers(0, 2**32))
        def begin(self, seed: int) -> None:
            run(client.flushall())
            self.now_ms = 1_000_000_000_000
            chance = random.Random(seed)
            self.pairing = Pairing(client, "test", Deadlines(), lambda: self.now_ms)
            self.processes = [Steps(self.pairing, name, chance) for name in ("a", "b")]
            for process in self.processes:
                run(self.pairing.beat(process.process, 10**9))

        @rule(step=st.sampled_from(STEPS), at=st.integers(0, 1))
        def step(self, step: str, at: int) -> None:
            run(self.processes[at].take(step))

        @rule(passed_ms=st.sampled_from(PASSING_MS))
        def time_passes(self, passed_ms: int) -> None:
            self.now_ms += passed_ms
            run(self.pairing.tick(1000))

        @rule(at=st.integers(0, 1))
        def a_process_dies(self, at: int) -> None:
            run(self.pairing.bye(self.processes[at].process, 0))
            while run(self.pairing.tick(2)):
                pass
            run(self.pairing.beat(self.processes[at].process, 10**9))

        @invariant()
        def nothing_is_wrong(self) -> None:
            if hasattr(self, "pairing"):
                room = run(Room.at_this_instant(client, self.pairing.prefix))
                assert room.faults() == []

        def teardown(self) -> None:
            if not hasattr(self, "pairing"):
                return
            joined, ended, faults = replay(run(client.xrange(self.pairing.prefix + "ev")))
            assert faults == []
            acknowledged = {visit for process in self.processes for visit in process.joined}
            assert acknowledged == joined
            room = run(Room.at_this_instant(client, self.pairing.prefix))
            alive = {p["v"] for p in room.patients.values() if p["st"] != "ended"}
            assert joined == ended | alive
            assert not ended & alive

    return WaitingRoom


@pytest.mark.parametrize(("kind", "examples"), [("embedded", 6), ("private", 25)])
def test_no_sequence_of_steps_breaks_the_waiting_room(
    kind: str, examples: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never two calls for one person, never a lost patient, never an idle nurse beside a patient she could take."""
    if kind == "embedded":
        monkeypatch.setattr("signaling.store.find_server", lambda: None)
    with asyncio.Runner() as runner:
        store: Store = runner.run(open_store(None, tmp_path))
        assert store.kind == kind
        try:
            run_state_machine_as_test(
                machine(runner.run, store.client),
                settings=settings(
                    max_examples=examples,
                    stateful_step_count=60,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                    phases=(Phase.generate, Phase.shrink),
                    database=None,
                ),
            )
        finally:
            runner.run(store.close())


async def test_the_checker_sees_faults(store: Store) -> None:
    """A nurse left in the idle bucket, and a pairing that overlaps, are found."""
    pairing = Pairing(store.client, "test", Deadlines())
    await pairing.nurse_online("nur1", "a", skills=["general"], languages=["es"])
    await pairing.join("pat1", "a", visit="v1")
    assert (await Room.at_this_instant(store.client, pairing.prefix)).faults() == []
    await store.client.zadd(pairing.prefix + "i:general:es", {"nur1": 1})
    assert (await Room.at_this_instant(store.client, pairing.prefix)).faults()
    entries = await store.client.xrange(pairing.prefix + "ev")
    assert replay(entries)[2] == []
    assert replay([*entries, entries[-1]])[2]
