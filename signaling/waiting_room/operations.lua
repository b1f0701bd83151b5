-- What processes ask for: each is one atomic call, checks the state it needs, and may be repeated.

-- proc, lease ms -> 1 when the lease had run out meanwhile (or is new): then the caller attaches its people again
function A.beat(proc, ttl)
  local known = call('ZSCORE', P .. 'pl', proc)
  call('ZADD', P .. 'pl', I(now + tonumber(ttl)), proc)
  return known and 0 or 1
end

-- proc, ms: goes away in order; its people have so long to connect elsewhere before they count as lost
function A.bye(proc, ms)
  call('ZADD', P .. 'pl', I(now + tonumber(ms)), proc)
  return 1
end

-- person proc visit skill languages languages-as-said boost-ms preferred-nurse reason journal-data
function A.p_join(id, proc, visit, skill, langs, said, boost, pref, reason, data)
  local p = getp(id)
  if p and p.st ~= 'ended' then
    bind(p, proc)
    set(p, 'bc', '')
    patient_found(p)
    return {p.st, p.v, p.ac}
  end
  local ac = p and p.ac or '0'
  call('DEL', P .. 'p:' .. id)
  p = setmetatable({id = id, kind = 'p', ac = ac}, blank)
  set(p, 'st', 'new', 'v', visit, 'sk', skill, 'la', langs, 'lf', said, 'sc', I(now - tonumber(boost)), 'cn', '1',
    'pref', pref, 'g', '0', 'rs', reason, 'jt', I(now), 'pe', '1', 'ne', '0')
  bind(p, proc)
  emit('joined', p, nil, data)
  wait(p)
  return {p.st, p.v, p.ac}
end

function A.p_attach(id, proc)
  local p = getp(id)
  if not p then return {'', '', '0'} end
  if p.st == 'ended' then return {p.st, p.v, '0'} end
  bind(p, proc)
  patient_found(p)
  return {p.st, p.v, p.ac}
end

function A.p_drop(id, proc, ac)
  local p = getp(id)
  if not p or p.st == 'ended' or not is_bound(p, proc, ac) then return 0 end
  patient_lost(p)
  return 1
end

-- The patient leaves the call for now; `p_join` or `p_return` brings it back
function A.p_away(id, g)
  local p = getp(id)
  if not p or p.g ~= g or not CALL[p.st] then return 0 end
  if p.bc == '1' then return 1 end
  set(p, 'bc', '1', 'pm', '0')
  if p.st == 'interrupted' then timer('intr', id, T_INTR) end
  settle(p, getn(p.nu))
  tell('changed', p, getn(p.nu))
  return 1
end

function A.p_return(id)
  local p = getp(id)
  if not p or p.bc ~= '1' or not CALL[p.st] then return 0 end
  set(p, 'bc', '')
  local n = getn(p.nu)
  settle(p, n)
  tell('changed', p, n)
  return 1
end

function A.p_leave(id)
  local p = getp(id)
  if not p then return 0 end
  if p.st == 'ended' then return 1 end
  local st, n = p.st, getn(p.nu)
  if st == 'offered' then emit('withdrawn', p, n, 'patient_left') end
  end_visit(p, n, 'left')
  if st == 'offered' then idle(n, true) elseif n then wrapup(n, p) end
  return 1
end

function A.n_online(id, proc, skills, langs)
  local n = getn(id)
  if n and n.st ~= 'offline' and n.st ~= 'away' and n.st ~= 'wrapup' then return A.n_attach(id, proc) end
  n = n or setmetatable({id = id, kind = 'n'}, blank)
  call('PERSIST', P .. 'n:' .. id)
  untimer(id, 'wrap', 'ngone')
  set(n, 'sk', skills, 'la', langs, 'cn', '1', 'st', 'offline', 'g', n.g == '' and '0' or n.g)
  bind(n, proc)
  idle(n)
  return {n.st, n.pt, n.ac}
end

function A.n_attach(id, proc)
  local n = getn(id)
  if not n or n.st == 'offline' then return {'offline', '', '0'} end
  bind(n, proc)
  nurse_found(n)
  return {n.st, n.pt, n.ac}
end

function A.n_drop(id, proc, ac)
  local n = getn(id)
  if not n or n.st == 'offline' or not is_bound(n, proc, ac) then return 0 end
  nurse_lost(n)
  return 1
end

function A.n_break(id)
  local n = getn(id)
  if not n or n.st == 'offered' or n.st == 'busy' or n.st == 'offline' then return 0 end
  if n.st == 'idle' then idle_rem(n) end
  untimer(id, 'wrap', 'ngone')
  away(n, 'break')
  return 1
end

function A.n_offline(id)
  local n = getn(id)
  if not n or n.st == 'offline' then return 1 end
  if n.st == 'offered' or n.st == 'busy' then return 0 end
  if n.st == 'idle' then idle_rem(n) end
  offline(n)
  return 1
end

function A.n_accept(id, g)
  local n = getn(id)
  if not n or n.g ~= g then return {'', ''} end
  if n.st == 'busy' then return {n.pt, 'again'} end
  if n.st ~= 'offered' then return {'', ''} end
  local p = getp(n.pt)
  untimer(p.id, 'offer')
  nurse_state(n, 'busy')
  set(p, 'st', 'connecting', 'at', I(now), 'up', '', 'pm', '0', 'nm', '0', 'it', '', 'who', '')
  timer('conn', p.id, T_CONN)
  emit('accepted', p, n)
  rung_written('p', p, p, n)
  rung_written('n', n, p, n)
  return {p.id, 'accepted'}
end

function A.n_decline(id, g)
  local n = getn(id)
  if not n or n.g ~= g or n.st ~= 'offered' then return 0 end
  local p = getp(n.pt)
  untimer(p.id, 'offer')
  set(p, 'dec', p.dec == '' and id or (p.dec .. ',' .. id))
  timer('dec', p.id, T_DEC)
  emit('declined', p, n)
  -- The patient first, while this nurse is not idle. Idle since now: declining costs the turn.
  set(n, 'st', 'declining', 'pt', '')
  requeue(p, 'requeued')
  idle(n)
  return 1
end

-- The nurse ends the visit
function A.n_end(id, g)
  local n = getn(id)
  if not n or n.g ~= g then return 0 end
  if n.st == 'wrapup' then return 1 end
  if n.st ~= 'busy' then return 0 end
  local p = getp(n.pt)
  end_visit(p, n, 'done')
  wrapup(n, p)
  return 1
end

function A.n_extend(id)
  local n = getn(id)
  local due = n and n.st == 'wrapup' and deadline('wrap', id) or ''
  if due == '' then return 0 end
  -- From the end of the present one, at most one extension ahead, so that pressing twice is pressing once.
  local until_ms = math.min(tonumber(due) + T_EXT, now + T_WRAP + T_EXT)
  call('ZADD', TM, I(until_ms), 'wrap|' .. id)
  tell('changed', nil, n)
  return 1
end

-- Wrap-up is written. -> 1 done, 2 the wrap-up was over already (the outcome still counts), 0 not this nurse's
function A.n_done(id, visit, available)
  local n = getn(id)
  if not n or visit == '' or n.wv ~= visit then return 0 end
  if n.st ~= 'wrapup' then return 2 end
  untimer(id, 'wrap')
  if available == '1' then idle(n) else away(n, 'break') end
  return 1
end

function A.n_wrote(id, visit)       -- whether this nurse may write the outcome of this visit
  local n = getn(id)
  return n and visit ~= '' and n.wv == visit and 1 or 0
end

-- role, person, epoch given up -> {visit, epoch} of the leg to use now
function A.leg_new(role, id, from)
  local p, n = sides(role, id)
  if not p or p.st == 'ended' then return {'', '0'} end
  local epoch, media, h = 'pe', 'pm', p
  if role == 'n' then epoch, media, h = 'ne', 'nm', n end
  if p[epoch] == from then
    set(p, epoch, I((tonumber(from) or 0) + 1), media, '0')
    set(h, 'lm', '', 'rg', '')      -- of the old leg
    if CALL[p.st] then settle(p, n) end
  end
  return {p.v, p[epoch]}
end

-- patient, visit, epoch and media of the patient's leg, the same of the nurse's; '' leaves a side as it is.
-- An event of a leg that has been replaced changes nothing.
function A.media(id, visit, pe, pm, ne, nm)
  local p = getp(id)
  if not p or p.v ~= visit or not CALL[p.st] then return 0 end
  if pm ~= '' and pe == p.pe and p.bc ~= '1' then set(p, 'pm', pm) end
  if nm ~= '' and ne == p.ne then set(p, 'nm', nm) end
  settle(p, getn(p.nu))
  return 1
end

-- role, person -> patient, its visit and both epochs, when there is an accepted visit
function A.call_of(role, id)
  local p
  if role == 'p' then p = getp(id) else local n = getn(id); p = n and getp(n.pt) end
  if not p or not CALL[p.st] then return {'', '', '0', '0', ''} end
  return {p.id, p.v, p.pe, p.ne, p.bc}
end

-- What the other side should know of this one: `what` is ms (media state) or b (bars)
function A.note(role, id, what, value)
  local h = get(role, id)
  if not h or h[what] == value then return 0 end
  set(h, what, value)
  local p, n = in_call(role, id)
  if p then tell('peer', p, n, peer_text(role, h)) end
  return 1
end

-- role, person, line id, line as JSON with its time left out
function A.chat(role, id, line_id, text)
  local p, n = in_call(role, id)
  if not p then return 0 end
  local ids, lines = P .. 'ci:' .. p.v, P .. 'c:' .. p.v
  local key = role .. ':' .. line_id
  if call('HEXISTS', ids, key) == 1 then return 1 end
  if call('HLEN', ids) >= CHAT_MAX then return -1 end
  call('HSET', ids, key, '1')
  local line = I(now) .. ' ' .. role .. ' ' .. line_id .. ' ' .. text
  call('RPUSH', lines, line)
  call('LTRIM', lines, -CHAT_SHOWN, -1)
  call('EXPIRE', ids, KEEP_LIVE_S)
  call('EXPIRE', lines, KEEP_LIVE_S)
  tell('chat', p, n, line)
  return 1
end
