-- The waiting room: who waits, who is offered to whom, who is in which visit. Every operation is one atomic call, so
-- nothing is ever half done, whatever dies.
--
-- KEYS[1]  prefix with a hash tag, e.g. "{tc:migrantes}:". Every key touched begins with it (one cluster slot).
-- ARGV     operation, now in Unix ms (0: the server's clock), deadlines (signaling/deadlines.py), arguments
--
-- Keys, after the prefix:
--   p:<person>      hash    a patient and the visit
--   n:<person>      hash    a nurse
--   w:<skill>:<lang>  zset  waiting patients; score = joined at - boost, so ageing never needs a rewrite
--   s:<skill>:<lang>  zset  suspended ones (lost, place kept), same score
--   wp:<nurse>      zset    waiting patients who prefer this nurse
--   i:<skill>:<lang>  zset  idle nurses; score = idle since, longest first
--   tm              zset    deadlines: "<kind>|<person>" by time
--   pl, pu:<proc>   zset, set   leases of processes, and the people connected to each
--   out:<proc>      stream  what a process must tell its people (fast path; the snapshot is the truth)
--   ev              stream  every transition, for the journal and for audit
--   seq, qv         ints    generations of offers; version of the queue
--   c:<visit>, ci:<visit>   list, hash   chat lines and the ids seen
--   sq:<p|n>:<person>       int     snapshot number of a person
-- Left free for what comes later: r: (relays), h: (hours), cb: (call-backs).
--
-- States of a patient: waiting offered connecting in_call interrupted suspended ended
-- States of a nurse:   offline idle offered busy wrapup gone away
-- Repeating an operation is safe: a client that lost the answer may ask again.

local P, op, now = KEYS[1], ARGV[1], tonumber(ARGV[2])
local call = redis.call
local fmt = string.format

if now == 0 then
  local t = call('TIME')
  now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end

local D = {}
for x in string.gmatch(ARGV[3], '%d+') do D[#D + 1] = tonumber(x) end
local T_OFFER, T_CONN, T_SUSP, T_INTR, T_NLOST, T_NGONE, T_AWAY, T_WRAP, T_EXT, T_DEC =
  D[1], D[2], D[3], D[4], D[5], D[6], D[7], D[8], D[9], D[10]

local OUT_MAX, EV_MAX = 2000, 200000
local HEAD = 7200000        -- one who was being attended goes 2 h earlier: the head of the line
local PREFER = 600000       -- waiting for a certain nurse is worth 10 min with her, not more
local KEEP_ENDED_S, KEEP_OFF_S, KEEP_SEQ_S, KEEP_LIVE_S = 3600, 86400, 86400, 172800
local CHAT_SHOWN, CHAT_MAX = 200, 2000
local QUEUE_COUNTED = 2000  -- beyond, a queue of several buckets is counted with those in two of them twice

-- Small words ---------------------------------------------------------------------------------------------------

local function I(x) return fmt('%.0f', x) end
local TM = P .. 'tm'
local function timer(kind, id, ms) call('ZADD', TM, I(now + ms), kind .. '|' .. id) end
local function timer_once(kind, id, ms) call('ZADD', TM, 'NX', I(now + ms), kind .. '|' .. id) end
local function untimer(id, ...)
  for _, kind in ipairs({...}) do call('ZREM', TM, kind .. '|' .. id) end
end
local function deadline(kind, id) return call('ZSCORE', TM, kind .. '|' .. id) or '' end

local function split(csv)
  local out = {}
  for x in string.gmatch(csv or '', '[^,]+') do out[#out + 1] = x end
  return out
end
local function has(csv, x) return string.find(',' .. csv .. ',', ',' .. x .. ',', 1, true) ~= nil end

local blank = {__index = function() return '' end}
local function get(kind, id)
  if id == '' then return nil end
  local flat = call('HGETALL', P .. kind .. ':' .. id)
  if #flat == 0 then return nil end
  local h = setmetatable({}, blank)
  for i = 1, #flat, 2 do h[flat[i]] = flat[i + 1] end
  h.id, h.kind = id, kind
  return h
end
local function getp(id) return get('p', id) end
local function getn(id) return get('n', id) end
local function set(h, ...)
  local a = {...}
  for i = 1, #a, 2 do h[a[i]] = a[i + 1] end
  call('HSET', P .. h.kind .. ':' .. h.id, ...)
end
local function nurse_state(n, st) set(n, 'st', st, 'ss', I(now)) end

-- What is told: to the processes of those concerned, and to the journal -------------------------------------------

local function tell(e, p, n, x, audit)
  local fields = {
    'e', e, 'p', p and p.id or '', 'n', n and n.id or '', 'v', p and p.v or '',
    'g', p and p.g or (n and n.g) or '', 't', I(now), 'x', x or '',
  }
  if audit then call('XADD', P .. 'ev', 'MAXLEN', '~', EV_MAX, '*', unpack(fields)) end
  local a, b = p and p.pr or '', n and n.pr or ''
  if a ~= '' then call('XADD', P .. 'out:' .. a, 'MAXLEN', '~', OUT_MAX, '*', unpack(fields)) end
  if b ~= '' and b ~= a then call('XADD', P .. 'out:' .. b, 'MAXLEN', '~', OUT_MAX, '*', unpack(fields)) end
end
local function emit(e, p, n, x) tell(e, p, n, x, true) end

-- Buckets -------------------------------------------------------------------------------------------------------

local function bucket_add(letter, p)
  for _, l in ipairs(split(p.la)) do call('ZADD', P .. letter .. ':' .. p.sk .. ':' .. l, p.sc, p.id) end
  if letter == 'w' and p.pref ~= '' then call('ZADD', P .. 'wp:' .. p.pref, p.sc, p.id) end
  call('INCR', P .. 'qv')
end
local function bucket_rem(letter, p)
  for _, l in ipairs(split(p.la)) do call('ZREM', P .. letter .. ':' .. p.sk .. ':' .. l, p.id) end
  if letter == 'w' and p.pref ~= '' then call('ZREM', P .. 'wp:' .. p.pref, p.id) end
  call('INCR', P .. 'qv')
end
local function each_idle_bucket(n, f)
  local ls = split(n.la)
  for _, s in ipairs(split(n.sk)) do
    for _, l in ipairs(ls) do f(P .. 'i:' .. s .. ':' .. l, P .. 'w:' .. s .. ':' .. l) end
  end
end
local function idle_add(n) each_idle_bucket(n, function(k) call('ZADD', k, n.is, n.id) end) end
local function idle_rem(n) each_idle_bucket(n, function(k) call('ZREM', k, n.id) end) end

-- Matching ------------------------------------------------------------------------------------------------------

local function fits(p, n)
  if not has(n.sk, p.sk) or has(p.dec, n.id) then return false end
  for _, l in ipairs(split(p.la)) do if has(n.la, l) then return true end end
  return false
end

local function offer(p, n)
  local g = I(call('INCR', P .. 'seq'))
  bucket_rem('w', p)
  idle_rem(n)
  -- The nurse's leg is a new one for each offer: the page of a former nurse never hears this visit.
  set(p, 'st', 'offered', 'nu', n.id, 'g', g, 'ne', I((tonumber(p.ne) or 0) + 1), 'nm', '0')
  nurse_state(n, 'offered')
  set(n, 'pt', p.id, 'g', g, 'b', '')
  timer('offer', p.id, T_OFFER)
  emit('offered', p, n)
end

-- The first of a sorted set that `accepts`, looked for in slices.
local function first_of(key, accepts)
  local at = 0
  while true do
    local r = call('ZRANGE', key, at, at + 19, 'WITHSCORES')
    if #r == 0 then return nil end
    for i = 1, #r, 2 do
      if accepts(r[i]) then return r[i], tonumber(r[i + 1]) end
    end
    at = at + 20
  end
end

local function match_patient(p)     -- p waits, is connected, and is in its buckets
  if p.pref ~= '' then
    local n = getn(p.pref)
    if n and n.st == 'idle' and fits(p, n) then return offer(p, n) end
  end
  local best, best_score
  for _, l in ipairs(split(p.la)) do
    local id, score = first_of(P .. 'i:' .. p.sk .. ':' .. l, function(x) return not has(p.dec, x) end)
    if id and (not best or score < best_score) then best, best_score = id, score end
  end
  if best then offer(p, getn(best)) end
end

local function match_nurse(n)       -- n is idle, connected, and in her buckets
  local best, best_score
  local function not_declined(id) return not has(call('HGET', P .. 'p:' .. id, 'dec') or '', n.id) end
  each_idle_bucket(n, function(_, waiting)
    local id, score = first_of(waiting, not_declined)
    if id and (not best or score < best_score) then best, best_score = id, score end
  end)
  local id, score = first_of(P .. 'wp:' .. n.id, function(x) return fits(getp(x), n) end)
  if id and (not best or score - PREFER < best_score) then best = id end
  if best then offer(getp(best), n) end
end

-- Transitions of a patient --------------------------------------------------------------------------------------

local function wait(p, e)           -- (back) into the waiting room with the score it has
  set(p, 'st', 'waiting', 'nu', '', 'it', '', 'bc', '')
  bucket_add('w', p)
  if e then emit(e, p) end
  match_patient(p)
end

local function suspend(p)           -- lost while waiting: nobody is offered an absent patient, the place is kept
  set(p, 'st', 'suspended', 'nu', '', 'it', '', 'bc', '')
  bucket_add('s', p)
  timer('grace', p.id, T_SUSP)
  emit('suspended', p)
end

local function requeue(p, e)
  if p.cn == '1' then wait(p, e) else emit(e, p); suspend(p) end
end

local function end_visit(p, n, why)
  if p.st == 'waiting' then bucket_rem('w', p) elseif p.st == 'suspended' then bucket_rem('s', p) end
  -- Who attended is told after the end; a nurse to whom it was only offered did not.
  local by = (p.st == 'connecting' or p.st == 'in_call' or p.st == 'interrupted') and p.nu or ''
  set(p, 'st', 'ended', 'nu', '', 'by', by, 'why', why, 'et', I(now), 'it', '', 'bc', '')
  untimer(p.id, 'offer', 'conn', 'grace', 'intr', 'nlost', 'dec')
  emit('ended', p, n, why)
  if p.pr ~= '' then call('SREM', P .. 'pu:' .. p.pr, 'p:' .. p.id) end
  call('EXPIRE', P .. 'p:' .. p.id, KEEP_ENDED_S)
  call('EXPIRE', P .. 'c:' .. p.v, KEEP_ENDED_S)
  call('EXPIRE', P .. 'ci:' .. p.v, KEEP_ENDED_S)
end

-- Transitions of a nurse ----------------------------------------------------------------------------------------

local function gone(n)
  nurse_state(n, 'gone')
  set(n, 'pt', '')
  timer('ngone', n.id, T_NGONE)
  tell('gone', nil, n)
end

local function idle(n, keep_turn)
  if n.cn ~= '1' then return gone(n) end
  nurse_state(n, 'idle')
  set(n, 'pt', '', 'ar', '', 'is', keep_turn and n.is ~= '' and n.is or I(now))
  idle_add(n)
  tell('idle', nil, n)
  match_nurse(n)
end

local function away(n, reason)
  nurse_state(n, 'away')
  set(n, 'pt', '', 'ar', reason)
  if n.cn ~= '1' then timer('ngone', n.id, T_AWAY) end
  tell('away', nil, n)
end

local function offline(n)
  nurse_state(n, 'offline')
  set(n, 'pt', '', 'ar', '')
  untimer(n.id, 'ngone', 'wrap')
  tell('offline', nil, n)
  if n.pr ~= '' then call('SREM', P .. 'pu:' .. n.pr, 'n:' .. n.id) end
  call('EXPIRE', P .. 'n:' .. n.id, KEEP_OFF_S)
end

local function wrapup(n, p)         -- what the nurse must still see of the visit is kept with her
  nurse_state(n, 'wrapup')
  local from = tonumber(p.up) or tonumber(p.at) or now
  set(n, 'pt', '', 'wv', p.v, 'wp', p.id, 'wd', I(now - from), 'wr', p.why, 'we', p.et, 'wla', p.lf, 'wrs', p.rs)
  timer('wrap', n.id, T_WRAP)
  tell('wrapup', nil, n)
end

-- A visit that was accepted ---------------------------------------------------------------------------------------

local CALL = {connecting = true, in_call = true, interrupted = true}

local function here(p, n) return p.cn == '1' and p.bc ~= '1', n.cn == '1' end

local function who_is_lost(p, n)
  local p_here, n_here = here(p, n)
  if p.up ~= '' then p_here, n_here = p_here and p.pm == '1', n_here and p.nm == '1' end
  if p_here then return 'nurse' elseif n_here then return 'patient' else return 'both' end
end

-- Brings the state of an accepted visit in line with who is here and whose media flows.
local function settle(p, n)
  local p_here, n_here = here(p, n)
  if p_here and n_here and p.pm == '1' and p.nm == '1' then
    if p.st == 'in_call' then return end
    local e = p.up == '' and 'connected' or 'resumed'
    untimer(p.id, 'conn', 'intr', 'nlost')
    set(p, 'st', 'in_call', 'it', '', 'who', '', 'up', p.up == '' and I(now) or p.up)
    return emit(e, p, n)
  end
  if p_here and n_here and p.up == '' then
    if p.st == 'interrupted' then   -- both are back before the media ever was up
      untimer(p.id, 'intr', 'nlost')
      set(p, 'st', 'connecting', 'it', '', 'who', '')
      timer('conn', p.id, T_CONN)
      emit('resumed', p, n)
    end
    return
  end
  local who = who_is_lost(p, n)
  if p.st ~= 'interrupted' then
    untimer(p.id, 'conn')
    timer('intr', p.id, T_INTR)
    set(p, 'st', 'interrupted', 'it', I(now), 'who', who)
    emit('interrupted', p, n, who)
  elseif p.who ~= who then
    set(p, 'who', who)
    emit('interrupted', p, n, who)
  end
  if n_here then untimer(p.id, 'nlost') else timer_once('nlost', p.id, T_NLOST) end
end

local function to_the_head(p, prefer)
  set(p, 'sc', I(tonumber(p.sc) - HEAD), 'pref', prefer)
end

-- Links lost and found ------------------------------------------------------------------------------------------

local function patient_lost(p)
  set(p, 'cn', '0')
  if p.st == 'waiting' then
    bucket_rem('w', p)
    suspend(p)
  elseif p.st == 'offered' then
    local n = getn(p.nu)
    untimer(p.id, 'offer')
    emit('withdrawn', p, n, 'patient_lost')
    suspend(p)
    idle(n, true)
  elseif CALL[p.st] then settle(p, getn(p.nu)) end
end

local function nurse_lost(n)
  set(n, 'cn', '0')
  if n.st == 'idle' then
    idle_rem(n)
    gone(n)
  elseif n.st == 'offered' then
    local p = getp(n.pt)
    untimer(p.id, 'offer')
    emit('withdrawn', p, n, 'nurse_lost')
    gone(n)
    requeue(p, 'requeued')
  elseif n.st == 'busy' then settle(getp(n.pt), n)
  elseif n.st == 'away' then timer('ngone', n.id, T_AWAY) end
end

local function patient_found(p)
  set(p, 'cn', '1')
  if p.st == 'suspended' then
    untimer(p.id, 'grace')
    bucket_rem('s', p)
    wait(p, 'returned')
  elseif CALL[p.st] then settle(p, getn(p.nu)) end
end

local function nurse_found(n)
  set(n, 'cn', '1')
  if n.st == 'gone' then
    untimer(n.id, 'ngone')
    idle(n, true)
  elseif n.st == 'away' then untimer(n.id, 'ngone')
  elseif n.st == 'busy' then settle(getp(n.pt), n) end
end

-- Bound to a process: only the newest connection of a person counts, and it says so with `ac`.
local function bind(h, proc)
  local member = h.kind .. ':' .. h.id
  local ac = I((tonumber(h.ac) or 0) + 1)
  if h.pr ~= '' and h.pr ~= proc then
    call('SREM', P .. 'pu:' .. h.pr, member)
    if call('ZSCORE', P .. 'pl', h.pr) then
      call('XADD', P .. 'out:' .. h.pr, 'MAXLEN', '~', OUT_MAX, '*', 'e', 'moved', h.kind, h.id, 'x', ac)
    end
  end
  call('SADD', P .. 'pu:' .. proc, member)
  set(h, 'pr', proc, 'ac', ac)
end
local function is_bound(h, proc, ac) return h.pr == proc and h.ac == ac and h.cn == '1' end

-- Operations ----------------------------------------------------------------------------------------------------

local A = {}

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
  local p, n
  if role == 'p' then p = getp(id); n = p and getn(p.nu) else n = getn(id); p = n and getp(n.pt) end
  if not p or p.st == 'ended' then return {'', '0'} end
  local epoch, media = 'pe', 'pm'
  if role == 'n' then epoch, media = 'ne', 'nm' end
  if p[epoch] == from then
    set(p, epoch, I((tonumber(from) or 0) + 1), media, '0')
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
  local p, n
  if role == 'p' then p = h; n = getn(h.nu) else n = h; p = getp(h.pt) end
  if p and n and CALL[p.st] then tell('peer', p, n, role .. ' ' .. h.b .. ' ' .. h.ms) end
  return 1
end

-- role, person, line id, line as JSON with its time left out
function A.chat(role, id, line_id, text)
  local p, n
  if role == 'p' then p = getp(id); n = p and getn(p.nu) else n = getn(id); p = n and getp(n.pt) end
  if not p or not n or not CALL[p.st] then return 0 end
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

-- Views: everything a snapshot needs, at one instant ----------------------------------------------------------------

local function number(kind, id)
  local key = P .. 'sq:' .. kind .. ':' .. id
  local n = call('INCR', key)
  call('EXPIRE', key, KEEP_SEQ_S)
  return n
end

-- Snapshot numbers go on from what the page has seen, also when the store has lost them.
function A.seen(kind, id, seq)
  local key = P .. 'sq:' .. kind .. ':' .. id
  if (tonumber(call('GET', key)) or 0) < tonumber(seq) then call('SET', key, seq, 'EX', KEEP_SEQ_S) end
  return 1
end

local function place(p)
  local rank, waiting
  for _, l in ipairs(split(p.la)) do
    local key = P .. 'w:' .. p.sk .. ':' .. l
    local r = call('ZRANK', key, p.id)
    if r and (not rank or r < rank) then rank, waiting = r, call('ZCARD', key) end
  end
  return rank or -1, waiting or 0
end

local function lines_of(p) return CALL[p.st] and call('LRANGE', P .. 'c:' .. p.v, 0, -1) or {} end
local function times_of(p) return {deadline('offer', p.id), deadline('intr', p.id), deadline('nlost', p.id)} end

function A.p_view(id)
  local p = getp(id)
  if not p then return {number('p', id), I(now), id, {}, {}, {}, {}, {}} end
  local rank, waiting = -1, 0
  if p.st == 'waiting' then rank, waiting = place(p) end
  local n = p.nu ~= '' and call('HMGET', P .. 'n:' .. p.nu, 'ms', 'b') or {}
  return {
    number('p', id), I(now), id, call('HGETALL', P .. 'p:' .. id), times_of(p), {rank, waiting}, lines_of(p),
    {n[1] or '', n[2] or ''},
  }
end

function A.n_view(id)
  local n = getn(id)
  if not n then return {number('n', id), I(now), {}, '', '', {}, {}, {}} end
  local p = getp(n.pt)
  return {
    number('n', id), I(now), call('HGETALL', P .. 'n:' .. id), deadline('wrap', id),
    n.pt, p and call('HGETALL', P .. 'p:' .. p.id) or {}, p and times_of(p) or {}, p and lines_of(p) or {},
  }
end

-- The queue of some skills and languages: {how many wait, {joined at, languages, reason, suspended} …}, oldest first
function A.q_view(skills, langs, limit)
  limit = tonumber(limit)
  local seen, rows, exact = {}, {}, 0
  local sum, buckets = 0, {}
  for _, s in ipairs(split(skills)) do
    for _, l in ipairs(split(langs)) do
      local key = P .. 'w:' .. s .. ':' .. l
      sum = sum + call('ZCARD', key)
      buckets[#buckets + 1] = {key, P .. 's:' .. s .. ':' .. l}
    end
  end
  local last = (#buckets > 1 and sum <= QUEUE_COUNTED) and -1 or limit - 1
  for _, keys in ipairs(buckets) do
    for i, key in ipairs(keys) do
      local suspended = i == 2
      local r = call('ZRANGE', key, 0, suspended and limit - 1 or last, 'WITHSCORES')
      for j = 1, #r, 2 do
        if not seen[r[j]] then
          seen[r[j]] = true
          rows[#rows + 1] = {r[j], tonumber(r[j + 1]), suspended}
          if not suspended then exact = exact + 1 end
        end
      end
    end
  end
  table.sort(rows, function(a, b) if a[2] == b[2] then return a[1] < b[1] end return a[2] < b[2] end)
  local out = {last == -1 and exact or sum}
  for i = 1, math.min(limit, #rows) do
    local f = call('HMGET', P .. 'p:' .. rows[i][1], 'jt', 'lf', 'rs')
    out[#out + 1] = {f[1] or '', f[2] or '', f[3] or '', rows[i][3] and '1' or '0'}
  end
  return out
end

-- Time ------------------------------------------------------------------------------------------------------------

local due = {}

-- Each looks whether the state is still the one it was set for: a store that lost its last second may have kept a
-- deadline whose reason it forgot.
local function patient_in(id, ...)
  local p = getp(id)
  for _, st in ipairs({...}) do
    if p and p.st == st then return p, getn(p.nu) end
  end
end
local function nurse_in(id, ...)
  local n = getn(id)
  for _, st in ipairs({...}) do
    if n and n.st == st then return n end
  end
end

function due.offer(id)              -- rang in vain: she may not be there at all, so nothing rings until she says so
  local p, n = patient_in(id, 'offered')
  if not n then return end
  emit('timed_out', p, n)
  away(n, 'no_answer')
  requeue(p, 'requeued')
end

function due.conn(id)               -- both here, but no media: another nurse may have a better path
  local p, n = patient_in(id, 'connecting')
  if not n then return end
  emit('connect_failed', p, n)
  to_the_head(p, '')
  set(p, 'dec', p.dec == '' and n.id or (p.dec .. ',' .. n.id))
  timer('dec', id, T_DEC)
  set(n, 'st', 'failing', 'pt', '')
  requeue(p, 'requeued')
  idle(n)
end

function due.grace(id)
  local p = patient_in(id, 'suspended')
  if p then end_visit(p, nil, 'lost') end
end

function due.nlost(id)              -- the nurse of an accepted visit did not come back
  local p, n = patient_in(id, 'interrupted')
  if not n then return end
  untimer(id, 'intr')
  to_the_head(p, n.id)
  offline(n)
  if p.bc == '1' then emit('requeued', p); suspend(p) else requeue(p, 'requeued') end
end

function due.intr(id)
  local p, n = patient_in(id, 'interrupted')
  if not n then return end
  untimer(id, 'nlost')
  local p_here = here(p, n)
  if p_here and (p.pm == '1' or p.up == '') then    -- it was the nurse that was missing all the time
    to_the_head(p, '')
    away(n, 'no_answer')
    return requeue(p, 'requeued')
  end
  end_visit(p, n, 'lost')
  wrapup(n, p)
end

function due.dec(id)                -- declined a while ago: a lone specialist may be asked again
  local p = getp(id)
  if not p or p.st == 'ended' then return end
  set(p, 'dec', '')
  if p.st == 'waiting' then match_patient(p) end
end

function due.ngone(id)
  local n = nurse_in(id, 'gone', 'away')
  if n then offline(n) end
end

function due.wrap(id)
  local n = nurse_in(id, 'wrapup')
  if n then idle(n) end
end

local function reap(proc, limit)    -- a process that is no more: its people count as lost, a slice at a time
  local key = P .. 'pu:' .. proc
  local people = call('SPOP', key, limit)
  for _, member in ipairs(people) do
    local h = get(string.sub(member, 1, 1), string.sub(member, 3))
    if h and h.pr == proc and h.cn == '1' then
      if h.kind == 'p' then
        if h.st ~= 'ended' then patient_lost(h) end
      elseif h.st ~= 'offline' then nurse_lost(h) end
      set(h, 'pr', '')              -- or what concerns them later would bring the stream back to life
    end
  end
  if #people < limit then
    call('ZREM', P .. 'pl', proc)
    call('DEL', key, P .. 'out:' .. proc)
  end
  return #people
end

-- limit, proc -> how much was done; as much as `limit` means there may be more. -1: the lease of `proc` itself has run
-- out, so the store was away (or it was), and the others may be about to beat: then nobody is counted out yet.
function A.tick(limit, proc)
  limit = tonumber(limit)
  if proc ~= '' and (tonumber(call('ZSCORE', P .. 'pl', proc) or '0') or 0) <= now then return -1 end
  local done = 0
  for _, member in ipairs(call('ZRANGEBYSCORE', TM, '-inf', I(now), 'LIMIT', 0, limit)) do
    -- One deadline may have taken away the next.
    if call('ZREM', TM, member) == 1 then
      local kind, id = string.match(member, '^(%a+)|(.*)$')
      due[kind](id)
    end
    done = done + 1
  end
  for _, proc in ipairs(call('ZRANGEBYSCORE', P .. 'pl', '-inf', I(now), 'LIMIT', 0, 4)) do
    done = done + reap(proc, limit)
  end
  return done
end

local f = A[op]
if not f then return redis.error_reply('ERR unknown operation') end
return f(unpack(ARGV, 4))
