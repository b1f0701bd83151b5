/** The ways to the relay, in the order in which a visit would take them. */
export const WAYS = ["udp", "tcp", "turn"] as const;
export type Way = (typeof WAYS)[number];
export type Outcome = "yes" | "no" | "absent";

/** A blocked way shows by silence only; a satellite with a lost packet answers within two seconds. */
const REACH_MS = 5_000;

/**
 * The offer with the candidates of one transport only, and so that this page waits for the relay's handshake instead of
 * beginning its own: the relay takes one handshake, and that is for the connection which is measured.
 */
export function onlyWay(offer: string, way: Way): string {
  const transport = way === "tcp" ? "tcp" : "udp";
  return offer
    .split("\r\n")
    .filter((line) => !line.startsWith("a=candidate:") || line.split(" ")[2] === transport)
    .join("\r\n")
    .replace("a=setup:actpass", "a=setup:active");
}

/** Whether the relay answers the browser's checks on one way. Nothing is sent but those. */
export async function reaches(offer: string, way: Way, servers: RTCIceServer[]): Promise<Outcome> {
  if (way === "turn" && servers.length === 0) return "absent";
  const connection = new RTCPeerConnection(
    way === "turn" ? { iceServers: servers, iceTransportPolicy: "relay" } : { iceServers: [] },
  );
  try {
    const reached = new Promise<Outcome>((resolve) => {
      setTimeout(() => resolve("no"), REACH_MS);
      connection.addEventListener("iceconnectionstatechange", () => {
        const state = connection.iceConnectionState;
        if (state === "connected" || state === "completed") resolve("yes");
        if (state === "failed") resolve("no");
      });
    });
    await connection.setRemoteDescription({ type: "offer", sdp: onlyWay(offer, way) });
    await connection.setLocalDescription(await connection.createAnswer());
    return await reached;
  } catch {
    return "no";
  } finally {
    connection.close();
  }
}
