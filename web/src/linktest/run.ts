import { iceServers } from "../media/ice.ts";
import { nextCeiling, testShape } from "../media/linktest.ts";
import { OWN_VIDEO_MID } from "../media/mids.ts";
import { put } from "../media/sender.ts";
import { TestPicture } from "../media/testpicture.ts";
import { answer, begin, end, type Measure, measure, TestRefused } from "./api.ts";
import { NOTHING_READ, type Reading, read } from "./reading.ts";
import type { Result } from "./result.ts";
import { type Outcome, reaches, WAYS, type Way } from "./ways.ts";

/** For the connection that is measured; DTLS on a satellite with losses takes some seconds. */
const CONNECT_MS = 12_000;
/** The relay measures for 12 s; the picture needs some of that to grow. */
const SEND_MS = 15_000;
const STEP_MS = 500;
/** Asking costs room on the link that is tested. */
const ASK_EVERY = 2;
const FIRST_BPS = 100_000;

export type Progress = { part: "ways" } | { part: "connecting" } | { part: "measuring"; leftMs: number };

const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/**
 * One test: which ways reach the relay, then for some seconds a made-up picture over the best of them. Throws
 * `TestRefused` when there is no test.
 */
export async function runTest(tell: (progress: Progress) => void): Promise<Result> {
  tell({ part: "ways" });
  const begun = await begin();
  const servers = iceServers(begun.ice_servers);
  const outcomes = await Promise.all(WAYS.map((way) => reaches(begun.sdp, way, servers)));
  const ways = Object.fromEntries(WAYS.map((way, index) => [way, outcomes[index] ?? "no"])) as Record<Way, Outcome>;
  tell({ part: "connecting" });
  const connection = new RTCPeerConnection({ iceServers: servers });
  const picture = TestPicture.draw();
  try {
    const sender = await connect(connection, begun.id, begun.sdp);
    const found = await isConnected(connection);
    let reading = NOTHING_READ;
    if (found && picture) reading = await send(connection, sender, picture.track, begun.id, tell);
    return { ways, reading, measure: await end(begun.id) };
  } finally {
    picture?.stop();
    connection.close();
  }
}

async function connect(connection: RTCPeerConnection, id: string, offer: string): Promise<RTCRtpSender> {
  await connection.setRemoteDescription({ type: "offer", sdp: offer });
  const own = connection.getTransceivers().find(({ mid }) => mid === OWN_VIDEO_MID);
  if (!own) throw new TestRefused("offline");
  own.direction = "sendrecv";
  await connection.setLocalDescription(await connection.createAnswer());
  await answer(id, connection.localDescription?.sdp ?? "");
  return own.sender;
}

async function isConnected(connection: RTCPeerConnection): Promise<boolean> {
  for (const untilMs = Date.now() + CONNECT_MS; Date.now() < untilMs; await wait(100)) {
    if (connection.connectionState === "connected") return true;
    if (connection.connectionState === "failed") return false;
  }
  return false;
}

/** Sends the picture, larger as the link bears it, and returns the last good reading. */
async function send(
  connection: RTCPeerConnection,
  sender: RTCRtpSender,
  track: MediaStreamTrack,
  id: string,
  tell: (progress: Progress) => void,
): Promise<Reading> {
  let reading = NOTHING_READ;
  let ceilingBps = FIRST_BPS;
  const seen: { measure: Measure | null } = { measure: null };
  const asking = new AbortController();
  await put(sender, { track, sends: true, video: testShape(ceilingBps) });
  const untilMs = Date.now() + SEND_MS;
  for (let step = 1; Date.now() < untilMs && connection.connectionState === "connected"; step += 1) {
    tell({ part: "measuring", leftMs: untilMs - Date.now() });
    await wait(STEP_MS);
    reading = merged(reading, read(await connection.getStats()));
    // Later tells more; a question that the full link delays is not waited for.
    if (step % ASK_EVERY === 0) void measure(id, asking.signal).then(keep, () => undefined);
    const next = nextCeiling(ceilingBps, Math.max(reading.outBps ?? 0, seen.measure?.up?.rate_bps ?? 0));
    if (next !== ceilingBps) {
      ceilingBps = next;
      await put(sender, { track, sends: true, video: testShape(ceilingBps) });
    }
  }
  // The test ends next: what is still being asked would be answered with "no such test".
  asking.abort();
  return reading;

  function keep(measured: Measure): void {
    seen.measure = measured;
  }
}

/** What is known now, and of the rest what was known before. */
function merged(before: Reading, now: Reading): Reading {
  return {
    way: now.way ?? before.way,
    rttMs: now.rttMs ?? before.rttMs,
    jitterMs: now.jitterMs ?? before.jitterMs,
    lossUp: now.lossUp ?? before.lossUp,
    outBps: now.outBps ?? before.outBps,
  };
}
