// A call through Janus, by its plain websocket API and with everything of the browser at its defaults.
// ?plugin=videocall|videoroom &me=NAME &peer=NAME to call &ws=PORT &bitrate=BPS that the room holds this party to.
const query = new URLSearchParams(location.search);
const me = query.get("me"), peer = query.get("peer"), bitrate = Number(query.get("bitrate"));
const waiting = {}, handlers = {};
let socket, session, requests = 0, ready = false;

function request(message) {
  const transaction = `t${requests++}`;
  socket.send(JSON.stringify({ transaction, ...(session ? { session_id: session } : {}), ...message }));
  return new Promise((resolve) => (waiting[transaction] = resolve));
}
async function attach(plugin, handler) {
  const id = (await request({ janus: "attach", plugin })).data.id;
  handlers[id] = handler;
  return id;
}
const send = (handle, body, jsep) =>
  request({ janus: "message", handle_id: handle, body, ...(jsep ? { jsep } : {}) });

async function open() {
  socket = new WebSocket(`ws://${location.hostname}:${query.get("ws")}`, "janus-protocol");
  await new Promise((resolve) => (socket.onopen = resolve));
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.janus === "event") handlers[message.sender]?.(message.plugindata.data, message.jsep);
    else if (waiting[message.transaction]) {
      waiting[message.transaction](message);
      delete waiting[message.transaction];
    }
  };
  session = (await request({ janus: "create" })).data.id;
  setInterval(() => request({ janus: "keepalive" }), 25000);
}
function connection(handle) {
  const pc = new RTCPeerConnection();
  pc.onicecandidate = ({ candidate }) =>
    request({ janus: "trickle", handle_id: handle, candidate: candidate?.toJSON() ?? { completed: true } });
  pc.ontrack = ({ track }) => {
    remote.srcObject ??= new MediaStream();
    remote.srcObject.addTrack(track);
  };
  return pc;
}
async function withCamera(pc) {
  local.srcObject ??= await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
  for (const track of local.srcObject.getTracks()) pc.addTrack(track, local.srcObject);
}

async function videocall() {
  let pc;
  await open();
  const handle = await attach("janus.plugin.videocall", async (data, jsep) => {
    const event = data.result?.event;
    if (event === "registered") {
      ready = true;
      if (peer) await call();
    } else if (event === "incomingcall") {
      pc = connection(handle);
      await withCamera(pc);
      await pc.setRemoteDescription(jsep);
      await pc.setLocalDescription();
      send(handle, { request: "accept" }, pc.localDescription);
    } else if (event === "accepted" && jsep) await pc.setRemoteDescription(jsep);
    else if (event === "update" && jsep) {
      await pc.setRemoteDescription(jsep);
      if (jsep.type !== "offer") return;
      await pc.setLocalDescription();
      send(handle, { request: "set" }, pc.localDescription);
    }
  });
  async function call() {
    pc = connection(handle);
    await withCamera(pc);
    pc.oniceconnectionstatechange = async () => { // a connection that was given up is restarted
      if (pc.iceConnectionState !== "failed") return;
      await pc.setLocalDescription(await pc.createOffer({ iceRestart: true }));
      send(handle, { request: "set" }, pc.localDescription);
    };
    await pc.setLocalDescription();
    send(handle, { request: "call", username: peer }, pc.localDescription);
  }
  send(handle, { request: "register", username: me });
}

async function videoroom() {
  const room = 1, plugin = "janus.plugin.videoroom", seen = new Set();
  let pc, privateId;
  await open();
  const handle = await attach(plugin, async (data, jsep) => {
    if (data.videoroom === "joined") {
      privateId = data.private_id;
      await publish();
    }
    for (const { id } of data.publishers ?? []) if (!seen.has(id)) subscribe(id);
    if (jsep) {
      await pc.setRemoteDescription(jsep);
      ready = true;
    }
  });
  await send(handle, { request: "create", room, publishers: 2 });
  async function publish() {
    pc = connection(handle);
    await withCamera(pc);
    await pc.setLocalDescription();
    send(handle, { request: "publish", ...(bitrate ? { bitrate } : {}) }, pc.localDescription);
  }
  async function subscribe(feed) {
    seen.add(feed);
    let sub;
    const handle = await attach(plugin, async (_, jsep) => {
      if (jsep?.type !== "offer") return;
      sub ??= connection(handle);
      await sub.setRemoteDescription(jsep);
      await sub.setLocalDescription();
      send(handle, { request: "start" }, sub.localDescription);
    });
    send(handle, { request: "join", room, ptype: "subscriber", feed, private_id: privateId });
  }
  send(handle, { request: "join", room, ptype: "publisher", display: me });
}
(query.get("plugin") === "videoroom" ? videoroom : videocall)();
