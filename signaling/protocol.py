"""The live protocol: every event between a page and Puente, as a model.

Socket.IO, websocket only, namespaces `/patient` and `/staff`. From these models come the validation of what arrives,
`docs/protocol.md` and `web/src/protocol.ts` (`make protocol`), so the three cannot drift.

Rules a client can rely on:

* **The snapshot is the truth.** The server sends a whole `snapshot` right after connect and after each change that
  concerns this person; drawing the page from the newest one (highest `seq`) is always right. The other events are hints
  that save bytes.
* **Resume = connect again** with the same ticket (or a fresh one) and `leg` = the id of the leg whose RTCPeerConnection
  is still alive, or null after a page load. The snapshot then carries an offer exactly when a new connection is to be
  made (`leg.sdp` is not null).
* **Every event from a client is acknowledged** with `Ok` (or its own answer) or `Refused`.
* **Generation fences.** What acts on an offer or a call names its `generation`; a late one gets `stale`.
* Times are Unix milliseconds of the server; `server_time_ms` in the snapshot lets a page correct its own clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from media.control import Epoch, Name, Sdp
from signaling.model import Model
from signaling.protocol_media import (
    Bars,
    IceServer,
    LimitsView,
    LinkMemory,
    LinkReport,
    LinkTestView,
    MediaState,
    RungView,
    StillAck,
    StillAsk,
    StillAsked,
    StillBegin,
    StillData,
    StillPart,
    StillRefuse,
    StillRefused,
    StillView,
    StillWant,
)

PROTOCOL_VERSION = 1

Ticket = Annotated[str, Field(min_length=16, max_length=4096)]
Generation = Annotated[int, Field(ge=0, le=2**53 - 1)]
LanguageTag = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]
"""BCP 47."""
SkillName = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,32}$")]
ShortText = Annotated[str, Field(max_length=200)]


# --- Acknowledgements

ErrorCode = Literal[
    "bad_request",      # not what the model of this event says
    "too_large",        # more bytes than MAX_MESSAGE_BYTES, or than the model allows
    "rate_limited",     # more often than the registry allows; try again after `retry_ms`
    "stale",            # the offer or call this acts on is no longer the current one
    "not_allowed",      # this person may not do that now, or it is not theirs
    "unknown_event",    # no such event in this namespace
    "ticket_expired",   # get a fresh one from POST /api/ticket and connect again
    "ticket_invalid",   # forged, of another kind, for another namespace, or of somebody no longer let in
    "closing",          # this server takes no new visits; connect again, elsewhere
    "unavailable",      # a part that is needed (store, relay) does not answer; try again
]  # fmt: skip


class ErrorBody(Model):
    """Why a request was refused. `message` is for developers, in English; pages choose their words by `code`."""

    code: ErrorCode
    message: str
    retry_ms: int | None = None


class Refused(Model):
    """Acknowledgement of a request that changed nothing."""

    ok: Literal[False] = False
    error: ErrorBody


class Ok(Model):
    """Acknowledgement of a request that had its effect (now or already before)."""

    ok: Literal[True] = True


# --- Connect


class ConnectAuth(Model):
    """The `auth` object of the Socket.IO connect."""

    v: Literal[1]
    ticket: Ticket
    seq: int = Field(default=0, ge=0, le=2**53 - 1)
    """Highest snapshot sequence seen, 0 at first."""
    leg: Name | None = None
    """Leg whose RTCPeerConnection this page still holds; null after a page load."""


# --- What a client sends


class Consent(Model):
    """Which notice was accepted, in which language, when (client's clock, Unix ms)."""

    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]{1,32}$")]
    language: LanguageTag
    accepted_at_ms: int = Field(ge=0)


class Join(Model):
    """Enter the waiting room. Joining twice is joining once."""

    reason: ShortText = ""
    languages: list[LanguageTag] = Field(default=["es"], min_length=1, max_length=5)
    skill: SkillName = "general"
    consent: Consent


class Leave(Model):
    """Give up the place in line, or say that one will not come back to the visit."""


class Away(Model):
    """Leave the call for now: the seat is held and the visit stays open. `leg.renew` or `join` comes back."""

    generation: Generation


class LegAnswer(Model):
    """The browser's answer to the offer of the snapshot."""

    leg: Name
    epoch: Epoch
    restart: int = Field(ge=0)
    sdp: Sdp
    memory: LinkMemory | None = None


class LegRestart(Model):
    """Ask for an ICE restart of a leg (the network changed). Answered by `LegOfferAck`."""

    leg: Name
    epoch: Epoch


class LegRenew(Model):
    """Ask for a new leg: the old RTCPeerConnection is beyond repair. The offer comes with the next snapshot."""

    leg: Name | None = None
    """The leg given up, so that asking twice gives one new leg."""


class LegOfferAck(Model):
    """An offer as an acknowledgement."""

    ok: Literal[True] = True
    leg: Name
    epoch: Epoch
    restart: int
    sdp: Sdp
    ice_servers: list[IceServer] = Field(default_factory=list)
    """As in `LegView`, with fresh credentials."""


class ChatSend(Model):
    """A chat line. `id` is chosen by the client: sending it twice writes it once."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{8,64}$")]
    text: Annotated[str, Field(min_length=1, max_length=2000)]


class Available(Model):
    """Ready for offers (start of shift, after a break, after a missed offer, or wrap-up done)."""


class Break(Model):
    """No offers for now."""

    reason: ShortText = ""


class OffShift(Model):
    """Go off shift."""


class OfferAccept(Model):
    """Take the offered visit."""

    generation: Generation


class OfferDecline(Model):
    """Not now: the visit is offered to somebody else and keeps its place."""

    generation: Generation


class CallEnd(Model):
    """End the visit. Only staff can."""

    generation: Generation


class WrapupExtend(Model):
    """More time for the wrap-up."""


Outcome = Literal["guidance", "referral", "medical_review", "emergency", "not_completed"]


class WrapupDone(Model):
    """The wrap-up is written; `available` says whether the next offer may ring."""

    visit: Name
    outcome: Outcome
    note: Annotated[str, Field(max_length=2000)] = ""
    available: bool = True


# --- What the server sends


class StaffCard(Model):
    """Who attends."""

    name: str
    title: str
    licence: str


class PatientCard(Model):
    """Who is attended."""

    name: str
    age_years: int | None
    languages: list[str]
    reason: str


class LegView(Model):
    """This page's leg. `sdp` is the offer to answer when a new connection (or ICE restart) is due, else null."""

    leg: Name
    epoch: Epoch
    restart: int
    sdp: Sdp | None
    ice_servers: list[IceServer] = Field(default_factory=list)
    """TURN servers with credentials of some hours, for networks that let nothing else through; with an offer only."""


class SlotView(Model):
    """In which transceivers (by mid) a participant is received."""

    participant: Literal["patient", "nurse"]
    audio_mid: str
    video_mid: str


class Interruption(Model):
    """Whose link was lost, since when, and until when the seats are held."""

    who: Literal["patient", "nurse", "both"]
    by_choice: bool
    """True when the patient pressed *Salir*."""
    since_ms: int
    until_ms: int


class ChatLine(Model):
    """A chat line as everybody in the visit sees it."""

    id: str
    sender: Literal["patient", "nurse"]
    text: str
    at_ms: int


class CallView(Model):
    """The call as both sides see it. `started_at_ms` is when it was first connected; it survives interruptions."""

    accepted_at_ms: int
    started_at_ms: int | None
    slots: list[SlotView]
    peer_media: MediaState | None
    peer_bars: Bars | None
    sends: LimitsView | None = None
    """What this page is to send; the event `limits` brings changes."""
    receives: RungView | None = None
    """What the other side sends; the event `peer` brings changes."""
    stills: list[StillView] = Field(default_factory=list)
    """Those of the other side that are kept, the oldest first; the event `still` brings news of each."""
    interruption: Interruption | None
    chat: list[ChatLine]


class QueuePlace(Model):
    """Place in line. `position` 1 is next."""

    position: int
    waiting: int


class Ended(Model):
    """How a visit ended: `done` by the nurse, `left` by the patient, `lost` after the seat was held in vain."""

    reason: Literal["done", "left", "lost"]
    at_ms: int


PatientState = Literal[
    "new", "waiting", "offered", "connecting", "in_call", "interrupted", "suspended", "ended",
]  # fmt: skip


class PatientSnapshot(Model):
    """Everything the patient's page needs."""

    seq: int
    server_time_ms: int
    state: PatientState
    name: str
    visit: str | None
    generation: Generation
    joined_at_ms: int | None
    queue: QueuePlace | None
    nurse: StaffCard | None
    leg: LegView | None
    link: LinkTestView | None = None
    call: CallView | None
    ended: Ended | None


class OfferCard(Model):
    """What a nurse sees before accepting: enough to decide, no full name."""

    generation: Generation
    given_name: str
    age_years: int | None
    reason: str
    languages: list[str]
    waited_ms: int
    bars: Bars | None
    link: LinkTestView | None = None
    rings_until_ms: int
    ring_ms: int


class WaitingEntry(Model):
    """A line of the queue as staff see it: no name."""

    waited_ms: int
    languages: list[str]
    reason: str
    suspended: bool


class QueueView(Model):
    """The queue of this nurse's skills and languages: at most the 20 oldest lines."""

    waiting: int
    oldest_ms: int | None
    entries: list[WaitingEntry]


class WrapupView(Model):
    """The visit being closed, and until when no offer rings."""

    visit: Name
    patient: PatientCard
    duration_ms: int
    until_ms: int
    ended: Ended


StaffState = Literal["offline", "idle", "offered", "busy", "wrapup", "gone", "away"]
"""`gone`: link lost, coming back keeps the place. `away`: on a break, or an offer was not answered."""


class StaffSnapshot(Model):
    """Everything the nurse's page needs."""

    seq: int
    server_time_ms: int
    state: StaffState
    state_since_ms: int
    away_reason: Literal["break", "no_answer"] | None
    call_state: Literal["connecting", "in_call", "interrupted"] | None
    me: StaffCard
    generation: Generation
    visit: str | None
    offer: OfferCard | None
    patient: PatientCard | None
    link: LinkTestView | None = None
    """What the attended patient's link was found to carry before the call."""
    leg: LegView | None
    call: CallView | None
    wrapup: WrapupView | None
    queue: QueueView


class Peer(Model):
    """The other side muted, stopped the camera, or its link changed."""

    media: MediaState | None
    bars: Bars | None
    receives: RungView | None = None


class Closing(Model):
    """This process is going down: connect again after `retry_ms`. Media is not touched."""

    retry_ms: int


class Replaced(Model):
    """The same person has connected from another page; this one should stop, not reconnect."""


# --- Registry


@dataclass(frozen=True, slots=True)
class ClientEvent:
    """An event a client may send: its model, its acknowledgement, and how often it may come.

    `per_minute` is the sustained rate, `burst` what may come at once.
    """

    model: type[Model]
    ack: type[Model] = Ok
    per_minute: int = 60
    burst: int = 10


SHARED_EVENTS: dict[str, ClientEvent] = {
    "leg.answer": ClientEvent(LegAnswer),
    "leg.restart": ClientEvent(LegRestart, LegOfferAck, per_minute=20, burst=5),
    "leg.renew": ClientEvent(LegRenew, per_minute=20, burst=5),
    "media": ClientEvent(MediaState, per_minute=120, burst=20),
    "link": ClientEvent(LinkReport, per_minute=60, burst=10),
    "chat.send": ClientEvent(ChatSend, per_minute=60, burst=10),
    "still.begin": ClientEvent(StillBegin, StillAck, per_minute=60, burst=10),
    "still.part": ClientEvent(StillPart, StillAck, per_minute=1800, burst=280),
    "still.want": ClientEvent(StillWant, StillData, per_minute=1800, burst=280),
    "still.ask": ClientEvent(StillAsk, per_minute=30, burst=5),
    "still.refuse": ClientEvent(StillRefuse, per_minute=30, burst=5),
}

PATIENT_EVENTS: dict[str, ClientEvent] = {
    "join": ClientEvent(Join, per_minute=20, burst=5),
    "leave": ClientEvent(Leave, per_minute=20, burst=5),
    "away": ClientEvent(Away, per_minute=20, burst=5),
    **SHARED_EVENTS,
}

STAFF_EVENTS: dict[str, ClientEvent] = {
    "available": ClientEvent(Available),
    "break": ClientEvent(Break),
    "off_shift": ClientEvent(OffShift),
    "offer.accept": ClientEvent(OfferAccept),
    "offer.decline": ClientEvent(OfferDecline),
    "call.end": ClientEvent(CallEnd),
    "wrapup.extend": ClientEvent(WrapupExtend),
    "wrapup.done": ClientEvent(WrapupDone),
    **SHARED_EVENTS,
}

CLIENT_EVENTS: dict[str, dict[str, ClientEvent]] = {"/patient": PATIENT_EVENTS, "/staff": STAFF_EVENTS}

TOLD_TO_BOTH: dict[str, type[Model]] = {
    "chat": ChatLine,
    "peer": Peer,
    "limits": LimitsView,
    "still": StillView,
    "still.asked": StillAsked,
    "still.refused": StillRefused,
    "closing": Closing,
    "replaced": Replaced,
}

SERVER_EVENTS: dict[str, dict[str, type[Model]]] = {
    "/patient": {"snapshot": PatientSnapshot, "queue": QueuePlace, "link": LinkTestView, **TOLD_TO_BOTH},
    "/staff": {"snapshot": StaffSnapshot, "queue": QueueView, **TOLD_TO_BOTH},
}

MAX_MESSAGE_BYTES = 65_536
"""An SDP answer is at most 32 KB; nothing a page sends is larger. Longer ones close the socket."""
