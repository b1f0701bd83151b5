import type { IceServer } from "../protocol.ts";

/** More than these slow every connection down (a browser asks all of them) and are nobody's intention. */
const MOST_SERVERS = 4;
const MOST_URLS = 4;

/**
 * The TURN servers as a browser takes them. One bad entry makes `new RTCPeerConnection` throw, and a visit must not
 * fail for it: what is not a TURN address with a name and a password is left out. There is no use for STUN: the relay
 * has a public address and sees ours.
 */
export function iceServers(servers: readonly IceServer[] | null | undefined): RTCIceServer[] {
  return (servers ?? [])
    .map(({ urls, username, credential }) => ({
      urls: urls.filter((url) => /^turns?:[^\s/?#]+(\?transport=(udp|tcp))?$/i.test(url)).slice(0, MOST_URLS),
      username,
      credential,
    }))
    .filter(({ urls, username, credential }) => urls.length > 0 && username !== "" && credential !== "")
    .slice(0, MOST_SERVERS);
}
