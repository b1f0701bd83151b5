-- The waiting room: who waits, who is offered to whom, who is in which visit. Every operation is one atomic call, so
-- nothing is ever half done, whatever dies.
--
-- One script in eight files, joined in this order by signaling/pairing.py: state (keys and words), stills, matching,
-- transitions, operations, quality, views, time.
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
--   st, sb          zset, int   stills by the time they were begun, and the bytes they may take
--   sl:<visit>:<p|n>  list  stills of one side; sm:…, sd:<visit>:<p|n>:<still>  hash, string  one of them
-- Left free for what comes later: r: (relays), h: (hours), cb: (call-backs).
--
-- States of a patient: waiting offered connecting in_call interrupted suspended ended
-- States of a nurse:   offline idle offered busy wrapup gone away
-- Repeating an operation is safe: a client that lost the answer may ask again.

local A = {}                -- operations: what processes ask for, by name
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

local function entry(e, p, n, x)
  return {
    'e', e, 'p', p and p.id or '', 'n', n and n.id or '', 'v', p and p.v or '',
    'g', p and p.g or (n and n.g) or '', 't', I(now), 'x', x or '',
  }
end
local function write_down(fields) call('XADD', P .. 'ev', 'MAXLEN', '~', EV_MAX, '*', unpack(fields)) end
local function tell(e, p, n, x, audit)
  local fields = entry(e, p, n, x)
  if audit then write_down(fields) end
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

-- Accepted visits -------------------------------------------------------------------------------------------------

local CALL = {connecting = true, in_call = true, interrupted = true}

local function sides(role, id)      -- the patient and the nurse of the visit this person is in, accepted or not
  local p, n
  if role == 'p' then p = getp(id); n = p and getn(p.nu) else n = getn(id); p = n and getp(n.pt) end
  return p, n
end
local function in_call(role, id)    -- the same, when the visit was accepted
  local p, n = sides(role, id)
  if p and n and CALL[p.st] then return p, n end
end
