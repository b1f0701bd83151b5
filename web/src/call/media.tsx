import { useEffect, useRef, useState } from "preact/hooks";
import { words } from "../words/index.ts";

/** A camera track as a picture. Own pictures are mirrored, as people know themselves. */
export function TrackVideo(props: { track: MediaStreamTrack; mirrored?: boolean; label: string; class?: string }) {
  const ref = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const video = ref.current;
    if (!video) return;
    video.srcObject = new MediaStream([props.track]);
    void video.play().catch(() => undefined); // Without sound it is never refused; a removed element is.
    return () => {
      video.srcObject = null;
    };
  }, [props.track]);
  const classes = [props.class ?? "vid", props.mirrored && "mirror"].filter(Boolean).join(" ");
  return <video ref={ref} class={classes} muted autoPlay playsInline aria-label={props.label} />;
}

/**
 * The other side: picture and sound in one element, so that they stay in step. It stays in the page in every state of
 * the call; without a picture it is only out of sight and goes on sounding.
 */
export function RemoteVideo(props: { stream: MediaStream | null; shown: boolean; label: string }) {
  const ref = useRef<HTMLVideoElement>(null);
  const [mute, setMute] = useState(false);
  useEffect(() => {
    const video = ref.current;
    if (!video) return;
    video.srcObject = props.stream;
    if (!props.stream) return;
    let gone = false;
    video.play().then(
      () => !gone && setMute(false),
      (error: Error) => !gone && error.name === "NotAllowedError" && setMute(true),
    );
    return () => {
      gone = true;
    };
  }, [props.stream]);
  return (
    <>
      <video ref={ref} class="vid" hidden={!props.shown} autoPlay playsInline aria-label={props.label} />
      {mute && (
        <div class="over center0 col tap">
          <button
            type="button"
            class="btn big"
            onClick={() =>
              void ref.current?.play().then(
                () => setMute(false),
                () => undefined,
              )
            }
          >
            {words.call.tapToHear}
          </button>
        </div>
      )}
    </>
  );
}

/** First letters of a name, for the picture of somebody who sends none. */
export function initials(name: string): string {
  const parts = name.trim().split(/\s+/);
  return [parts[0], parts[1]]
    .map((part) => part?.[0] ?? "")
    .join("")
    .toUpperCase();
}
