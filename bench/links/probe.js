// Measures a call from outside the page: put in before any script of the page. It only observes: wraps the
// RTCPeerConnection constructor, taps what is sent and received, reads the frame counter of what a <video> shows.
// Everything is fetched by window.__links.drain() every second or two, so a reload of the page loses little.
(() => {
  if (window.__links || location.protocol === "about:" || !window.RTCPeerConnection) return;
  const now = () => performance.timeOrigin + performance.now();
  // As in timecode.py.
  const W = 640, H = 480, BLOCK = 32, BLOCKS = 13, LEFT = 112, TOP = 64;
  const SHOT_MS = 2500, STATS_MS = 1000, SYNC_MS = 250, SYNC_FAST_MS = 50, LOOK_MS = 200;
  const KINDS = new Set(["inbound-rtp", "outbound-rtp", "candidate-pair", "codec"]);
  const connections = [], videos = new Set(), tapped = new Set(), remoteTracks = new Set(), kept = [];
  const watched = new WeakSet(), played = {};
  let buffer, main = null, lastShot = 0, taps = 0;
  const fresh = () => {
    buffer = { events: [], stats: [], shown: [], sent: [], got: [], shots: [], sync: [], page: [], audio: [] };
  };
  fresh();
  const say = (kind, what) => buffer.events.push([now(), kind, what ?? null]);

  const Native = window.RTCPeerConnection;
  const Wrapped = new Proxy(Native, {
    construct(target, args, newTarget) {
      const pc = Reflect.construct(target, args, newTarget === Wrapped ? target : newTarget);
      observe(pc);
      return pc;
    },
  });
  window.RTCPeerConnection = Wrapped;
  if (window.webkitRTCPeerConnection) window.webkitRTCPeerConnection = Wrapped;
  const source = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, "srcObject");
  Object.defineProperty(HTMLMediaElement.prototype, "srcObject", {
    ...source,
    set(stream) {
      if (this instanceof HTMLVideoElement) videos.add(this);
      source.set.call(this, stream);
    },
  });

  function observe(pc) {
    const id = connections.push(pc) - 1;
    pc.addEventListener("connectionstatechange", () => say("connection", `${id} ${pc.connectionState}`));
    pc.addEventListener("track", (e) => remote(e.track));
  }
  // By object and not by id: a replaced connection brings new tracks with the old ones' ids.
  function remote(track) {
    if (remoteTracks.has(track)) return;
    remoteTracks.add(track);
    if (track.kind === "audio") {
      const player = new Audio(); // a remote track that nobody plays gives no samples
      player.muted = true;
      player.srcObject = new MediaStream([track]);
      player.play().catch(() => {});
      kept.push(player);
      tapAudio(track, "heard");
    } else tapVideo(track, "got");
  }
  const alive = () => connections.filter((pc) => pc.connectionState !== "closed");

  // --- Sound: 16-bit samples with the wall clock of each chunk; what is silent is only counted
  async function tapAudio(track, side) {
    if (tapped.has(track)) return;
    tapped.add(track);
    const tap = taps++;
    const reader = new MediaStreamTrackProcessor({ track, maxBufferSize: 300 }).readable.getReader();
    let began = false;
    for (;;) {
      const { done, value: data } = await reader.read();
      if (done) return say("audio end", side);
      const n = data.numberOfFrames, floats = new Float32Array(n);
      data.copyTo(floats, { planeIndex: 0, format: "f32-planar" });
      let silent = true;
      for (let i = 0; silent && i < n; i++) silent = floats[i] === 0;
      began ||= !silent;
      if (began) {
        const samples = silent ? null : new Int16Array(n);
        for (let i = 0; samples && i < n; i++) samples[i] = Math.max(-1, Math.min(1, floats[i])) * 32767;
        buffer.audio.push({ tap, side, rate: data.sampleRate, at: now(), n, samples });
      }
      data.close();
    }
  }

  // --- Pictures
  async function luma(frame, x, y, w, h) {
    const visible = frame.visibleRect, format = frame.format || "";
    const left = x & ~1, top = y & ~1; // planes of half the size begin at even places
    const rect = {
      x: visible.x + left, y: visible.y + top,
      width: Math.min((w + 2) & ~1, visible.width - left), height: Math.min((h + 2) & ~1, visible.height - top),
    };
    const step = format.startsWith("I4") || format.startsWith("NV") ? 1 : 4;
    const bytes = new Uint8Array(frame.allocationSize({ rect }));
    const plane = (await frame.copyTo(bytes, { rect }))[0];
    return { bytes, offset: plane.offset + (step === 4 ? 1 : 0), stride: plane.stride, step }; // of RGB, green will do
  }
  async function counter(frame) { // or -1 if it cannot be read
    const w = frame.visibleRect.width, h = frame.visibleRect.height;
    const scale = Math.min(W / w, H / h), b = BLOCK / scale; // a centred crop of the camera's picture
    const x0 = (LEFT - (W - w * scale) / 2) / scale, y0 = (TOP - (H - h * scale) / 2) / scale;
    const x = Math.max(0, Math.floor(x0)), y = Math.max(0, Math.floor(y0));
    const p = await luma(frame, x, y, Math.ceil(b * BLOCKS) + 1, Math.ceil(b) + 1);
    const fx = x0 - (x & ~1), fy = y0 - (y & ~1), level = [];
    for (let k = 0; k < BLOCKS; k++) { // the inner part of each block: its edges are blurred
      let sum = 0, n = 0;
      for (let j = Math.round(fy + b * 0.3); j < fy + b * 0.7; j++)
        for (let i = Math.round(fx + k * b + b * 0.3); i < fx + k * b + b * 0.7; i++, n++)
          sum += p.bytes[p.offset + j * p.stride + i * p.step];
      level.push(sum / n);
    }
    if (level[0] - level[1] < 60) return -1;
    const middle = (level[0] + level[1]) / 2, unsure = (level[0] - level[1]) * 0.12;
    let gray = 0, parity = 0;
    for (let k = 2; k < BLOCKS; k++) {
      if (Math.abs(level[k] - middle) < unsure) return -1;
      const bit = level[k] > middle ? 1 : 0;
      parity ^= bit;
      if (k < BLOCKS - 1) gray = (gray << 1) | bit;
    }
    if (parity) return -1;
    for (let k = 1; k < 10; k <<= 1) gray ^= gray >> k;
    return gray;
  }
  async function tapVideo(track, list) { // sent: the camera; got: decoded pictures, as the page is handed them
    if (tapped.has(track)) return;
    tapped.add(track);
    const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
    for (;;) {
      const { done, value: frame } = await reader.read();
      if (done) return say("video end", list);
      const at = now();
      // What an element shows is read there; here only where none does, and for a picture kept now and then.
      if (list === "got" && main?.isConnected && at - lastShot < SHOT_MS) {
        frame.close();
        continue;
      }
      try {
        const count = await counter(frame), { width, height } = frame.visibleRect;
        buffer[list].push([at, count, width, height, frame.timestamp]);
        if (list === "got") await shoot(frame, at, count);
      } catch (error) {
        say("error", `${list} ${error}`);
      }
      frame.close();
    }
  }
  async function shoot(frame, at, count) { // now and then a whole picture, for PSNR and SSIM
    if (count < 0 || at - lastShot < SHOT_MS) return;
    lastShot = at;
    const w = frame.visibleRect.width, h = frame.visibleRect.height;
    const p = await luma(frame, 0, 0, w, h), y = new Uint8Array(w * h);
    for (let j = 0; j < h; j++) for (let i = 0; i < w; i++) y[j * w + i] = p.bytes[p.offset + j * p.stride + i * p.step];
    buffer.shots.push([at, count, w, h, y]);
  }
  const area = (el) => (el.isConnected ? el.getBoundingClientRect() : { width: 0, height: 0 });
  const size = (el) => area(el).width * area(el).height;
  const showsRemote = (el) =>
    el.srcObject?.getVideoTracks?.().some((t) => remoteTracks.has(t) && t.readyState === "live");
  function watch(el) {
    if (watched.has(el)) return;
    watched.add(el);
    const shown = (_, meta) => {
      el.requestVideoFrameCallback(shown);
      if (el === main) note(el, meta);
    };
    el.requestVideoFrameCallback(shown);
  }
  async function note(el, meta) {
    const at = now();
    let frame;
    try {
      frame = new VideoFrame(el);
      const due = performance.timeOrigin + meta.expectedDisplayTime;
      const count = await counter(frame);
      buffer.shown.push([at, count, meta.width, meta.height, meta.presentedFrames, due, meta.rtpTimestamp ?? 0]);
    } catch (error) {
      say("error", `shown ${error}`);
    }
    frame?.close();
  }

  // --- What is looked at again and again
  // When a packet of the far side's voice was last played. Each question stops this thread for some milliseconds, so it
  // is asked often only while none comes: what is wanted of it is the first one after a cut.
  (function sync() {
    let fresh = false;
    for (const pc of alive())
      for (const receiver of pc.getReceivers())
        if (receiver.track.kind === "audio")
          for (const s of receiver.getSynchronizationSources())
            if (played[s.source] !== s.rtpTimestamp) {
              fresh = true;
              played[s.source] = s.rtpTimestamp;
              buffer.sync.push([now(), s.timestamp, s.rtpTimestamp, s.audioLevel ?? null]);
            }
    setTimeout(sync, fresh ? SYNC_MS : SYNC_FAST_MS);
  })();
  setInterval(() => {
    for (const pc of alive()) {
      for (const { track } of pc.getSenders())
        if (track) track.kind === "audio" ? tapAudio(track, "spoken") : tapVideo(track, "sent");
      if (pc.currentRemoteDescription) for (const { track } of pc.getReceivers()) remote(track);
    }
    for (const el of document.querySelectorAll("video")) videos.add(el);
    const shows = [...videos].filter((el) => el.isConnected && showsRemote(el)).sort((a, b) => size(b) - size(a))[0];
    if (shows && shows !== main) {
      main = shows;
      watch(main);
    }
  }, LOOK_MS);
  setInterval(async () => {
    const seen = (name) => [...document.querySelectorAll(`[data-testid=${name}]`)];
    const rung = seen("call-rung").find((el) => el.checkVisibility()) ?? seen("call-rung")[0];
    const state = seen("call-status")[0]?.dataset.state ?? null;
    const stills = seen("still").map((el) => el.dataset.id ?? "");
    buffer.page.push([now(), rung ? Number(rung.dataset.rung) : null, stills, state]);
    for (const [id, pc] of connections.entries()) {
      if (pc.connectionState === "closed") continue;
      const at = now(), report = await pc.getStats(), found = [];
      report.forEach((s) => KINDS.has(s.type) && (s.type !== "candidate-pair" || s.nominated) && found.push(s));
      buffer.stats.push([at, id, found]);
    }
  }, STATS_MS);

  function base64(bytes) {
    let text = "";
    for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode.apply(null, bytes.subarray(i, i + 32768));
    return btoa(text);
  }
  function tracks(chunks) {
    const found = {};
    for (const { tap, side, rate, at, n, samples } of chunks) {
      const track = (found[tap] ??= { document: performance.timeOrigin, tap, side, rate, chunks: [], parts: [], n: 0 });
      track.chunks.push([at, n, samples === null]);
      if (samples) {
        track.parts.push(samples);
        track.n += n;
      }
    }
    return Object.values(found).map(({ parts, n, ...track }) => {
      const all = new Int16Array(n);
      let at = 0;
      for (const part of parts) {
        all.set(part, at);
        at += part.length;
      }
      return { ...track, pcm: base64(new Uint8Array(all.buffer)) };
    });
  }
  window.__links = {
    connected: () => connections.some((pc) => pc.connectionState === "connected"),
    drain() {
      const drained = buffer;
      fresh();
      return {
        ...drained,
        audio: tracks(drained.audio),
        shots: drained.shots.map(([at, count, w, h, y]) => [at, count, w, h, base64(y)]),
      };
    },
  };
})();
