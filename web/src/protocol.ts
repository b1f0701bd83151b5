// Written by `python -m signaling.describe` from signaling/protocol*.py. Do not edit.

export const PROTOCOL_VERSION = 1;
/** An SDP answer is at most 32 KB; nothing a page sends is larger. Longer ones close the socket. */
export const MAX_MESSAGE_BYTES = 65536;
export const LIVE_PATH = "/live/";

export type VideoCodec =
  | "VP8"
  | "VP9"
  | "AV1"
  | "H264";

export type Whose =
  | "own"
  | "other"
  | "none";

export type Why =
  | "start"
  | "clear"
  | "rate"
  | "loss"
  | "delay"
  | "cpu"
  | "choice";

export type StillType =
  | "image/webp"
  | "image/jpeg";

/** `view` in place of the moving picture; `document` asked for, sharper; `original` as the camera took it. */
export type StillKind =
  | "view"
  | "document"
  | "original";

/** What a link will carry, as the test says it in words. */
export type Verdict =
  | "measuring"
  | "video"
  | "voice"
  | "phone";

export type ErrorCode =
  | "bad_request"
  | "too_large"
  | "rate_limited"
  | "stale"
  | "not_allowed"
  | "unknown_event"
  | "ticket_expired"
  | "ticket_invalid"
  | "closing"
  | "unavailable";

export type Outcome =
  | "guidance"
  | "referral"
  | "medical_review"
  | "emergency"
  | "not_completed";

export type PatientState =
  | "new"
  | "waiting"
  | "offered"
  | "connecting"
  | "in_call"
  | "interrupted"
  | "suspended"
  | "ended";

/** `gone`: link lost, coming back keeps the place. `away`: on a break, or an offer was not answered. */
export type StaffState =
  | "offline"
  | "idle"
  | "offered"
  | "busy"
  | "wrapup"
  | "gone"
  | "away";

/** What this device's link carried in its last visit on the same network, in bit/s. */
export interface LinkMemory {
  up_bps: number;
  down_bps: number;
}

/** As RTCIceServer. */
export interface IceServer {
  urls: string[];
  username: string;
  credential: string;
}

/** What only the page can know of its media in the last seconds; null: not known there. */
export interface MediaReport {
  /** The camera is on and neither side has chosen voice only. */
  wants_video: boolean;
  /** Share of the played sound that was made up because nothing had come. */
  concealed?: number | null;
  frozen_ms?: number | null;
  fps?: number | null;
  cpu_limited?: boolean;
  encode_ms?: number | null;
  codec?: VideoCodec | null;
  /** The browser's own estimate of its uplink. */
  out_bps?: number | null;
}

/** What a person sends: shown to the other side as a choice, not as a fault. */
export interface MediaState {
  microphone: boolean;
  camera: boolean;
  voice_only: boolean;
}

/** How a page sees its own link now; at most one every 2 s is used. */
export interface LinkReport {
  bars: number;
  rtt_ms?: number | null;
  media?: MediaReport | null;
}

/** A still picture follows. Naming one that was begun before asks from where to go on (`StillAck.offset`). */
export interface StillBegin {
  id: string;
  type: StillType;
  bytes: number;
  width: number;
  height: number;
  kind: StillKind;
}

/** A piece of a still, as Socket.IO binary. Send the next one when this is acknowledged. */
export interface StillPart {
  id: string;
  offset: number;
  data: Uint8Array;
}

/** How much of a still has arrived: send from here. */
export interface StillAck {
  ok: true;
  offset: number;
}

/** Give me pieces of this still from `offset` on: one `still.part` comes back, or none when that is all there is. */
export interface StillWant {
  id: string;
  offset: number;
  /** What the link may be held up with at once: fewer on a thin one. */
  max_bytes?: number;
}

/** Ask the other side for a sharp still (`document`: every letter must be legible) or for its original. */
export interface StillAsk {
  /** The still whose original is wanted; null for a new picture. */
  id?: string | null;
}

/** No photograph: the person said no to one that was asked for, or it could not be taken. */
export type StillRefuse = Record<string, never>;

/** How the voice is to be encoded: Opus, so many bit/s in packets of so many ms, `red`: each with the one before. */
export interface AudioView {
  frame_ms: 20 | 40 | 60 | 120;
  bitrate_bps: number;
  red: boolean;
  dtx: boolean;
}

/** How the picture is to be encoded: `bitrate_bps` is a ceiling, `lines` the picture's height. */
export interface VideoView {
  bitrate_bps: number;
  fps: number;
  lines: number;
  codec: VideoCodec;
}

/** What this page is to send now, and why. Without `video` it sends none (stills if `stills_bps` is not 0). */
export interface LimitsView {
  rung: number;
  why: Why;
  whose: Whose;
  audio: AudioView;
  video: VideoView | null;
  stills_bps: number;
  since_ms: number;
}

/** The rung of a direction, why, and whose link that is, seen from who receives this. */
export interface RungView {
  rung: number;
  why: Why;
  whose: Whose;
}

/** What the link will carry, measured over its own leg while it waits. Rates in bit/s of all that is sent. */
export interface LinkTestView {
  verdict: Verdict;
  up_bps: number | null;
  down_bps: number | null;
  rtt_ms: number | null;
  loss: number | null;
}

/** A still of the other side: `have` of its `bytes` can be fetched with `still.want`. */
export interface StillView {
  id: string;
  type: StillType;
  bytes: number;
  width: number;
  height: number;
  kind: StillKind;
  have: number;
  at_ms: number;
}

/** The other side asks for a sharp still, or for the original of one. */
export interface StillAsked {
  id: string | null;
}

/** The photograph that was asked for will not come: the other side said no, or could not take it. */
export type StillRefused = Record<string, never>;

/** A piece of a still, as Socket.IO binary: the answer to `still.want`. Empty: no more for now. */
export interface StillData {
  ok: true;
  id: string;
  offset: number;
  data: Uint8Array;
}

/** Why a request was refused. `message` is for developers, in English; pages choose their words by `code`. */
export interface ErrorBody {
  code: ErrorCode;
  message: string;
  retry_ms: number | null;
}

/** Acknowledgement of a request that changed nothing. */
export interface Refused {
  ok: false;
  error: ErrorBody;
}

/** Acknowledgement of a request that had its effect (now or already before). */
export interface Ok {
  ok: true;
}

/** The `auth` object of the Socket.IO connect. */
export interface ConnectAuth {
  v: 1;
  ticket: string;
  /** Highest snapshot sequence seen, 0 at first. */
  seq?: number;
  /** Leg whose RTCPeerConnection this page still holds; null after a page load. */
  leg?: string | null;
}

/** Which notice was accepted, in which language, when (client's clock, Unix ms). */
export interface Consent {
  version: string;
  language: string;
  accepted_at_ms: number;
}

/** Enter the waiting room. Joining twice is joining once. */
export interface Join {
  reason?: string;
  languages?: string[];
  skill?: string;
  consent: Consent;
}

/** Give up the place in line, or say that one will not come back to the visit. */
export type Leave = Record<string, never>;

/** Leave the call for now: the seat is held and the visit stays open. `leg.renew` or `join` comes back. */
export interface Away {
  generation: number;
}

/** The browser's answer to the offer of the snapshot. */
export interface LegAnswer {
  leg: string;
  epoch: number;
  restart: number;
  sdp: string;
  memory?: LinkMemory | null;
}

/** Ask for an ICE restart of a leg (the network changed). Answered by `LegOfferAck`. */
export interface LegRestart {
  leg: string;
  epoch: number;
}

/** Ask for a new leg: the old RTCPeerConnection is beyond repair. The offer comes with the next snapshot. */
export interface LegRenew {
  /** The leg given up, so that asking twice gives one new leg. */
  leg?: string | null;
}

/** An offer as an acknowledgement. */
export interface LegOfferAck {
  ok: true;
  leg: string;
  epoch: number;
  restart: number;
  sdp: string;
  /** As in `LegView`, with fresh credentials. */
  ice_servers: IceServer[];
}

/** A chat line. `id` is chosen by the client: sending it twice writes it once. */
export interface ChatSend {
  id: string;
  text: string;
}

/** Ready for offers (start of shift, after a break, after a missed offer, or wrap-up done). */
export type Available = Record<string, never>;

/** No offers for now. */
export interface Break {
  reason?: string;
}

/** Go off shift. */
export type OffShift = Record<string, never>;

/** Take the offered visit. */
export interface OfferAccept {
  generation: number;
}

/** Not now: the visit is offered to somebody else and keeps its place. */
export interface OfferDecline {
  generation: number;
}

/** End the visit. Only staff can. */
export interface CallEnd {
  generation: number;
}

/** More time for the wrap-up. */
export type WrapupExtend = Record<string, never>;

/** The wrap-up is written; `available` says whether the next offer may ring. */
export interface WrapupDone {
  visit: string;
  outcome: Outcome;
  note?: string;
  available?: boolean;
}

/** Who attends. */
export interface StaffCard {
  name: string;
  title: string;
  licence: string;
}

/** Who is attended. */
export interface PatientCard {
  name: string;
  age_years: number | null;
  languages: string[];
  reason: string;
}

/** This page's leg. `sdp` is the offer to answer when a new connection (or ICE restart) is due, else null. */
export interface LegView {
  leg: string;
  epoch: number;
  restart: number;
  sdp: string | null;
  /** TURN servers with credentials of some hours, for networks that let nothing else through; with an offer only. */
  ice_servers: IceServer[];
}

/** In which transceivers (by mid) a participant is received. */
export interface SlotView {
  participant: "patient" | "nurse";
  audio_mid: string;
  video_mid: string;
}

/** Whose link was lost, since when, and until when the seats are held. */
export interface Interruption {
  who: "patient" | "nurse" | "both";
  /** True when the patient pressed *Salir*. */
  by_choice: boolean;
  since_ms: number;
  until_ms: number;
}

/** A chat line as everybody in the visit sees it. */
export interface ChatLine {
  id: string;
  sender: "patient" | "nurse";
  text: string;
  at_ms: number;
}

/** The call as both sides see it. `started_at_ms` is when it was first connected; it survives interruptions. */
export interface CallView {
  accepted_at_ms: number;
  started_at_ms: number | null;
  slots: SlotView[];
  peer_media: MediaState | null;
  peer_bars: number | null;
  /** What this page is to send; the event `limits` brings changes. */
  sends: LimitsView | null;
  /** What the other side sends; the event `peer` brings changes. */
  receives: RungView | null;
  /** Those of the other side that are kept, the oldest first; the event `still` brings news of each. */
  stills: StillView[];
  interruption: Interruption | null;
  chat: ChatLine[];
}

/** Place in line. `position` 1 is next. */
export interface QueuePlace {
  position: number;
  waiting: number;
}

/** How a visit ended: `done` by the nurse, `left` by the patient, `lost` after the seat was held in vain. */
export interface Ended {
  reason: "done" | "left" | "lost";
  at_ms: number;
}

/** Everything the patient's page needs. */
export interface PatientSnapshot {
  seq: number;
  server_time_ms: number;
  state: PatientState;
  name: string;
  visit: string | null;
  generation: number;
  joined_at_ms: number | null;
  queue: QueuePlace | null;
  nurse: StaffCard | null;
  leg: LegView | null;
  link: LinkTestView | null;
  call: CallView | null;
  ended: Ended | null;
}

/** What a nurse sees before accepting: enough to decide, no full name. */
export interface OfferCard {
  generation: number;
  given_name: string;
  age_years: number | null;
  reason: string;
  languages: string[];
  waited_ms: number;
  bars: number | null;
  link: LinkTestView | null;
  rings_until_ms: number;
  ring_ms: number;
}

/** A line of the queue as staff see it: no name. */
export interface WaitingEntry {
  waited_ms: number;
  languages: string[];
  reason: string;
  suspended: boolean;
}

/** The queue of this nurse's skills and languages: at most the 20 oldest lines. */
export interface QueueView {
  waiting: number;
  oldest_ms: number | null;
  entries: WaitingEntry[];
}

/** The visit being closed, and until when no offer rings. */
export interface WrapupView {
  visit: string;
  patient: PatientCard;
  duration_ms: number;
  until_ms: number;
  ended: Ended;
}

/** Everything the nurse's page needs. */
export interface StaffSnapshot {
  seq: number;
  server_time_ms: number;
  state: StaffState;
  state_since_ms: number;
  away_reason: "break" | "no_answer" | null;
  call_state: "connecting" | "in_call" | "interrupted" | null;
  me: StaffCard;
  generation: number;
  visit: string | null;
  offer: OfferCard | null;
  patient: PatientCard | null;
  /** What the attended patient's link was found to carry before the call. */
  link: LinkTestView | null;
  leg: LegView | null;
  call: CallView | null;
  wrapup: WrapupView | null;
  queue: QueueView;
}

/** The other side muted, stopped the camera, or its link changed. */
export interface Peer {
  media: MediaState | null;
  bars: number | null;
  receives: RungView | null;
}

/** This process is going down: connect again after `retry_ms`. Media is not touched. */
export interface Closing {
  retry_ms: number;
}

/** The same person has connected from another page; this one should stop, not reconnect. */
export type Replaced = Record<string, never>;

/** What a page may send in the namespace `/patient`, and the answer to it. */
export interface PatientEmits {
  "join": (data: Join, ack: (answer: Ok | Refused) => void) => void;
  "leave": (data: Leave, ack: (answer: Ok | Refused) => void) => void;
  "away": (data: Away, ack: (answer: Ok | Refused) => void) => void;
  "leg.answer": (data: LegAnswer, ack: (answer: Ok | Refused) => void) => void;
  "leg.restart": (data: LegRestart, ack: (answer: LegOfferAck | Refused) => void) => void;
  "leg.renew": (data: LegRenew, ack: (answer: Ok | Refused) => void) => void;
  "media": (data: MediaState, ack: (answer: Ok | Refused) => void) => void;
  "link": (data: LinkReport, ack: (answer: Ok | Refused) => void) => void;
  "chat.send": (data: ChatSend, ack: (answer: Ok | Refused) => void) => void;
  "still.begin": (data: StillBegin, ack: (answer: StillAck | Refused) => void) => void;
  "still.part": (data: StillPart, ack: (answer: StillAck | Refused) => void) => void;
  "still.want": (data: StillWant, ack: (answer: StillData | Refused) => void) => void;
  "still.ask": (data: StillAsk, ack: (answer: Ok | Refused) => void) => void;
  "still.refuse": (data: StillRefuse, ack: (answer: Ok | Refused) => void) => void;
}

/** What the server sends in the namespace `/patient`. */
export interface PatientHears {
  "snapshot": (data: PatientSnapshot) => void;
  "queue": (data: QueuePlace) => void;
  "link": (data: LinkTestView) => void;
  "chat": (data: ChatLine) => void;
  "peer": (data: Peer) => void;
  "limits": (data: LimitsView) => void;
  "still": (data: StillView) => void;
  "still.asked": (data: StillAsked) => void;
  "still.refused": (data: StillRefused) => void;
  "closing": (data: Closing) => void;
  "replaced": (data: Replaced) => void;
}

/** What a page may send in the namespace `/staff`, and the answer to it. */
export interface StaffEmits {
  "available": (data: Available, ack: (answer: Ok | Refused) => void) => void;
  "break": (data: Break, ack: (answer: Ok | Refused) => void) => void;
  "off_shift": (data: OffShift, ack: (answer: Ok | Refused) => void) => void;
  "offer.accept": (data: OfferAccept, ack: (answer: Ok | Refused) => void) => void;
  "offer.decline": (data: OfferDecline, ack: (answer: Ok | Refused) => void) => void;
  "call.end": (data: CallEnd, ack: (answer: Ok | Refused) => void) => void;
  "wrapup.extend": (data: WrapupExtend, ack: (answer: Ok | Refused) => void) => void;
  "wrapup.done": (data: WrapupDone, ack: (answer: Ok | Refused) => void) => void;
  "leg.answer": (data: LegAnswer, ack: (answer: Ok | Refused) => void) => void;
  "leg.restart": (data: LegRestart, ack: (answer: LegOfferAck | Refused) => void) => void;
  "leg.renew": (data: LegRenew, ack: (answer: Ok | Refused) => void) => void;
  "media": (data: MediaState, ack: (answer: Ok | Refused) => void) => void;
  "link": (data: LinkReport, ack: (answer: Ok | Refused) => void) => void;
  "chat.send": (data: ChatSend, ack: (answer: Ok | Refused) => void) => void;
  "still.begin": (data: StillBegin, ack: (answer: StillAck | Refused) => void) => void;
  "still.part": (data: StillPart, ack: (answer: StillAck | Refused) => void) => void;
  "still.want": (data: StillWant, ack: (answer: StillData | Refused) => void) => void;
  "still.ask": (data: StillAsk, ack: (answer: Ok | Refused) => void) => void;
  "still.refuse": (data: StillRefuse, ack: (answer: Ok | Refused) => void) => void;
}

/** What the server sends in the namespace `/staff`. */
export interface StaffHears {
  "snapshot": (data: StaffSnapshot) => void;
  "queue": (data: QueueView) => void;
  "chat": (data: ChatLine) => void;
  "peer": (data: Peer) => void;
  "limits": (data: LimitsView) => void;
  "still": (data: StillView) => void;
  "still.asked": (data: StillAsked) => void;
  "still.refused": (data: StillRefused) => void;
  "closing": (data: Closing) => void;
  "replaced": (data: Replaced) => void;
}
