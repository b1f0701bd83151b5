-- What happens to a patient, a nurse and a visit. Each function begins from a state that its caller has checked.

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
  stills_free(p.v)
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

-- What a side sends -----------------------------------------------------------------------------------------------

local RUNGS_MAX = 1000              -- of one visit; the relay changes a rung at most every few seconds

local function peer_text(role, h) return role .. ' ' .. h.b .. ' ' .. h.rg .. ' ' .. h.ms end

local function rung_written(role, h, p, n)    -- what could be seen and heard is part of the record of the visit
  local written = tonumber(p.rc) or 0
  if h.rg == '' or written >= RUNGS_MAX then return end
  set(p, 'rc', I(written + 1))
  write_down(entry('rung', p, n, role .. ':' .. h.rg))
end
