// What a test sees of a page's media. Injected before any script of the page; it only observes: it keeps each
// RTCPeerConnection the page makes and reads statistics, the shown picture and the received sound.
(() => {
  if (window.__probe || !window.RTCPeerConnection) return;
  const pcs = [];
  const Native = window.RTCPeerConnection;
  const Observed = new Proxy(Native, {
    construct(target, args, newTarget) {
      const pc = Reflect.construct(target, args, newTarget === Observed ? target : newTarget);
      pcs.push(pc);
      return pc;
    },
  });
  window.RTCPeerConnection = Observed;

  const sockets = [];
  const NativeSocket = window.WebSocket;
  const ObservedSocket = new Proxy(NativeSocket, {
    construct(target, args, newTarget) {
      const socket = Reflect.construct(target, args, newTarget === ObservedSocket ? target : newTarget);
      sockets.push(socket);
      return socket;
    },
  });
  window.WebSocket = ObservedSocket;

  const current = () => pcs.filter((pc) => pc.connectionState !== 'closed').at(-1) ?? null;

  async function stats() {
    const out = {
      connections: pcs.length, state: null, ice: null, ufrag: null, transport: null,
      frames: 0, audioEnergy: 0, audioSamples: 0, sentFrames: 0, sentAudioPackets: 0, codec: null,
    };
    const pc = current();
    if (!pc) return out;
    out.state = pc.connectionState;
    out.ice = pc.iceConnectionState;
    out.ufrag = /a=ice-ufrag:(\S+)/.exec(pc.remoteDescription?.sdp ?? '')?.[1] ?? null;
    const report = await pc.getStats();
    report.forEach((s) => {
      if (s.type === 'candidate-pair' && s.nominated) out.transport = report.get(s.localCandidateId)?.protocol ?? null;
      if (s.type === 'inbound-rtp' && s.kind === 'video') {
        out.frames += s.framesDecoded ?? 0;
        if (s.framesDecoded) out.codec = report.get(s.codecId)?.mimeType ?? null;
      }
      if (s.type === 'inbound-rtp' && s.kind === 'audio') {
        out.audioEnergy += s.totalAudioEnergy ?? 0;
        out.audioSamples += s.totalSamplesReceived ?? 0;
      }
      if (s.type === 'outbound-rtp' && s.kind === 'video') out.sentFrames += s.framesEncoded ?? 0;
      if (s.type === 'outbound-rtp' && s.kind === 'audio') out.sentAudioPackets += s.packetsSent ?? 0;
    });
    return out;
  }

  const video = (testid) => {
    const at = document.querySelector(`[data-testid="${testid}"]`);
    return at instanceof HTMLVideoElement ? at : at?.querySelector('video') ?? null;
  };

  // Mean colour of the middle of what a <video> shows now, or null while it shows nothing.
  function colour(testid) {
    const shown = video(testid);
    if (!shown || !shown.videoWidth || shown.readyState < 2) return null;
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 16;
    const pen = canvas.getContext('2d', { willReadFrequently: true });
    const w = shown.videoWidth, h = shown.videoHeight;
    pen.drawImage(shown, w * 0.3, h * 0.3, w * 0.4, h * 0.4, 0, 0, 16, 16);
    const px = pen.getImageData(0, 0, 16, 16).data;
    const sum = [0, 0, 0];
    for (let i = 0; i < px.length; i += 4) for (let c = 0; c < 3; c++) sum[c] += px[i + c];
    return sum.map((s) => Math.round(s / 256));
  }

  // Strongest pitch (Hz) of the sound received, listened to for `listenMs` or until it is `expectedHz`; null when silent.
  const SILENCE_DB = -70, CLEAR_DB = -55, SAME_HZ = 25;
  let ears = null;
  async function pitch(listenMs = 1200, expectedHz = null) {
    ears ??= new AudioContext();
    if (ears.state !== 'running') await ears.resume();
    const tracks = (current()?.getReceivers() ?? []).map((r) => r.track).filter((t) => t.kind === 'audio' && !t.muted);
    if (!tracks.length) return null;
    const analyser = new AnalyserNode(ears, { fftSize: 8192, smoothingTimeConstant: 0 });
    const sources = tracks.map((t) => new MediaStreamAudioSourceNode(ears, { mediaStream: new MediaStream([t]) }));
    for (const source of sources) source.connect(analyser);
    const bins = new Float32Array(analyser.frequencyBinCount);
    let best = { db: SILENCE_DB, hz: null };
    const end = performance.now() + listenMs;
    while (performance.now() < end) {
      await new Promise((done) => setTimeout(done, 60));
      analyser.getFloatFrequencyData(bins);
      for (let k = 8; k < bins.length; k++) {
        if (bins[k] > best.db) best = { db: bins[k], hz: (k * ears.sampleRate) / analyser.fftSize };
      }
      if (expectedHz !== null && best.db > CLEAR_DB && Math.abs(best.hz - expectedHz) < SAME_HZ) break;
    }
    for (const source of sources) source.disconnect();
    return best.hz;
  }

  // Cut the live connection as a network does: the page is not told why.
  const dropSockets = () => {
    for (const socket of sockets) if (socket.readyState === NativeSocket.OPEN) socket.close();
  };

  const socketsMade = () => sockets.length;

  window.__probe = { stats, colour, pitch, dropSockets, socketsMade };
})();
