-- What time does: deadlines that have come, and processes that are no more. The end of the script calls what was asked.

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
