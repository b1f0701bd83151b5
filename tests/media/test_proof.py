"""An estimate is believed for what went through without a queue, or where something else must have found it."""

from __future__ import annotations

from media.proof import CALM_FOR_S, REFUTED_S, Proof


def sent(proof: Proof, from_s: float, seconds: float, kbps: int, *, calm: bool = True) -> None:
    for tick in range(round(seconds * 5)):
        proof.see(from_s + tick / 5, kbps * 1000, calm=calm)


def test_estimate_that_follows_what_is_sent_proves_no_more_than_that() -> None:
    """1.5 times what is sent is what any estimate says."""
    proof = Proof(0.0)
    sent(proof, 0.0, 5, 200)
    assert 200_000 <= proof.proven_bps(5.0, 310_000, probes=True) <= 215_000
    assert proof.proven_bps(5.0, 150_000, probes=True) == 150_000


def test_estimate_far_above_was_probed() -> None:
    """What nobody sent was found by a probe, where there are probes; after a failed climb it counts for less."""
    proof = Proof(0.0)
    sent(proof, 0.0, 5, 50)
    assert proof.proven_bps(5.0, 400_000, probes=True) == 400_000
    assert proof.proven_bps(5.0, 400_000, probes=False) < 60_000
    proof.refute(5.0)
    assert not proof.may_try(6.0)
    assert proof.proven_bps(6.0, 400_000, probes=True) < 400_000
    assert proof.may_try(5.0 + REFUTED_S)


def test_what_made_a_queue_proves_nothing() -> None:
    """A rate counts when it stayed calm for a while, and a queue takes back what was counted."""
    proof = Proof(0.0)
    sent(proof, 0.0, 4, 100)
    sent(proof, 4.0, CALM_FOR_S - 0.4, 150)
    assert proof.peak_bps == 100_000
    sent(proof, 6.0, 0.4, 150, calm=False)
    assert proof.peak_bps == 100_000
    sent(proof, 7.0, 0.2, 80, calm=False)
    assert proof.peak_bps < 80_000


def test_old_proof_is_forgotten() -> None:
    """What went through ten seconds ago is of another time."""
    proof = Proof(0.0)
    sent(proof, 0.0, 4, 500)
    sent(proof, 4.0, 15, 50)
    assert proof.peak_bps == 50_000
