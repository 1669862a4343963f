-- ZMTP 3.x (NULL mechanism) over TCP, and the records of a tipoff tap in it: topics, and msgpack maps decoded.
-- For Wireshark and tshark from 4.0 on (Lua 5.2 or later), which bring no dissector of their own for it before 4.4.
--
--   tshark -i lo -f 'tcp port 7479' -X lua_script:tipoff.lua -Y tipoff.topic -T fields -e tipoff.topic -e tipoff.payload
--
-- A connection that was captured from its beginning is recognised by its greeting; one that was not, by its port
-- (preference tipoff.port), from the first whole frame on.

local tipoff = Proto("tipoff", "tipoff tap (ZMTP)")
local fields = {
    greeting = ProtoField.string("tipoff.greeting", "Greeting"),
    version = ProtoField.string("tipoff.zmtp_version", "ZMTP version"),
    mechanism = ProtoField.string("tipoff.mechanism", "Mechanism"),
    command = ProtoField.string("tipoff.command", "Command"),
    property = ProtoField.string("tipoff.property", "Property"),
    subscribe = ProtoField.string("tipoff.subscribe", "Subscribe"),
    cancel = ProtoField.string("tipoff.cancel", "Cancel"),
    frame = ProtoField.bytes("tipoff.frame", "Frame"),
    topic = ProtoField.string("tipoff.topic", "Topic"),
    head = ProtoField.string("tipoff.head", "Head"),
    payload = ProtoField.string("tipoff.payload", "Payload"),
    field = ProtoField.string("tipoff.field", "Field"),
    position = ProtoField.uint64("tipoff.position", "Position"),
    stream = ProtoField.string("tipoff.stream", "Stream"),
    key = ProtoField.string("tipoff.key", "Key"),
}
tipoff.fields = fields
local experts = {
    bytes = ProtoExpert.new("tipoff.undecoded", "Not ZMTP from its beginning, or encrypted", expert.group.UNDECODED,
                            expert.severity.NOTE),
    msgpack = ProtoExpert.new("tipoff.bad_msgpack", "Not a msgpack map", expert.group.MALFORMED, expert.severity.WARN),
}
tipoff.experts = experts
tipoff.prefs.port = Pref.uint("TCP port", 7479, "Port of the tap (setting broker.tap_tcp)")

local FRAME_MAX = 64 * 1024 * 1024 + 65536 -- what a broker may allow
local DEPTH_MAX, NODES_MAX = 32, 65536
local MORE, LONG, COMMAND = 1, 2, 4

local function has(flags, bit)
    return math.floor(flags / bit) % 2 == 1
end

---- msgpack: a value as JSON text; every length is checked against the bytes there are ----

local function quoted(text)
    text = text:gsub('[%c"\\]', function(c)
        if c == '"' or c == "\\" then
            return "\\" .. c
        end
        return string.format("\\u%04x", c:byte())
    end)
    return '"' .. text .. '"'
end

local function hex(text)
    return (text:gsub(".", function(c) return string.format("%02x", c:byte()) end))
end

-- Unsigned big-endian as text: Lua's numbers of 5.2 are doubles and hold no 64 bits.
local function whole(reader, size, signed)
    local at = reader.at
    reader.at = at + size
    assert(reader.at <= reader.size, "cut off")
    local range = reader.tvb(at, size)
    if signed then
        return tostring(size == 8 and range:int64() or range:int())
    end
    return tostring(size == 8 and range:uint64() or range:uint())
end

local function bytes(reader, size)
    local at = reader.at
    reader.at = at + size
    assert(reader.at <= reader.size, "cut off")
    return size > 0 and reader.tvb(at, size):raw() or ""
end

local function float(reader, size)
    local at = reader.at
    reader.at = at + size
    assert(reader.at <= reader.size, "cut off")
    return string.format("%.17g", reader.tvb(at, size):float())
end

local value

-- `visit`, if given, is told each pair of the outermost map: name, text, first byte, size.
local function map(reader, count, depth, visit)
    local parts = {}
    for i = 1, count do
        local from = reader.at
        local name, plain = value(reader, depth + 1)
        local text, bare = value(reader, depth + 1)
        parts[i] = name .. ":" .. text
        if visit then
            visit(plain or name, bare or text, from, reader.at - from)
        end
    end
    return "{" .. table.concat(parts, ",") .. "}"
end

local function array(reader, count, depth)
    local parts = {}
    for i = 1, count do
        parts[i] = value(reader, depth + 1)
    end
    return "[" .. table.concat(parts, ",") .. "]"
end

local function text(reader, size)
    local raw = bytes(reader, size)
    return quoted(raw), raw
end

local function binary(reader, size)
    return quoted(hex(bytes(reader, size)))
end

local function fixed(answer)
    return function() return answer end
end

local function counted(size, take)
    return function(reader, depth, visit) return take(reader, tonumber(whole(reader, size)), depth, visit) end
end

local heads = {
    [0xc0] = fixed("null"), [0xc2] = fixed("false"), [0xc3] = fixed("true"),
    [0xc4] = counted(1, binary), [0xc5] = counted(2, binary), [0xc6] = counted(4, binary),
    [0xca] = function(reader) return float(reader, 4) end, [0xcb] = function(reader) return float(reader, 8) end,
    [0xd9] = counted(1, text), [0xda] = counted(2, text), [0xdb] = counted(4, text),
    [0xdc] = counted(2, array), [0xdd] = counted(4, array), [0xde] = counted(2, map), [0xdf] = counted(4, map),
}
for i = 0, 3 do
    heads[0xcc + i] = function(reader) return whole(reader, 2 ^ i, false) end
    heads[0xd0 + i] = function(reader) return whole(reader, 2 ^ i, true) end
end

-- JSON text of the value that begins at reader.at, and the bare text if it is a string.
value = function(reader, depth, visit)
    reader.nodes = reader.nodes + 1
    assert(depth < DEPTH_MAX and reader.nodes < NODES_MAX, "too deep or too many")
    local head = tonumber(whole(reader, 1))
    if head < 0x80 then
        return tostring(head)
    elseif head < 0x90 then
        return map(reader, head - 0x80, depth, visit)
    elseif head < 0xa0 then
        return array(reader, head - 0x90, depth)
    elseif head < 0xc0 then
        return text(reader, head - 0xa0)
    elseif head >= 0xe0 then
        return tostring(head - 0x100)
    end
    assert(heads[head], "no ext types")
    return heads[head](reader, depth, visit)
end

---- frames ----

local function is_map(first)
    return (first >= 0x80 and first < 0x90) or first == 0xde or first == 0xdf
end

local function is_topic(body)
    return body:len() > 1 and body:len() < 512 and body:raw():match("^[!-~]+%.$") ~= nil
end

-- The head of a record, or its payload: frames say what they are, and the last of a message is the payload.
local function show_map(body, tree, more)
    local reader = {tvb = body, at = 0, size = body:len(), nodes = 0}
    local found = {}
    local good, json = pcall(value, reader, 0, function(name, said, from, size)
        found[#found + 1] = {name, said, from, size}
    end)
    if not good or reader.at ~= reader.size then
        tree:add(fields.frame, body()):add_proto_expert_info(experts.msgpack)
        return
    end
    local shown = tree:add(more and fields.head or fields.payload, body(), json)
    for _, at in ipairs(found) do
        local range = body(at[3], at[4])
        shown:add(fields.field, range, at[1] .. "=" .. at[2])
        if more and at[1] == "position" and at[2]:match("^%d+$") then
            tree:add(fields.position, range, UInt64(at[2]))
        elseif more and (at[1] == "stream" or at[1] == "key") then
            tree:add(fields[at[1]], range, at[2])
        end
    end
end

local function show_message(body, tree, more, said)
    local first = body(0, 1):uint()
    if first == 0 or first == 1 then -- what a SUB asks for in ZMTP 3.0
        tree:add(first == 1 and fields.subscribe or fields.cancel, body(), body:raw():sub(2))
        said[#said + 1] = first == 1 and "subscribe" or "cancel"
    elseif is_map(first) then
        show_map(body, tree, more)
    elseif is_topic(body) then
        local topic = body:raw()
        tree:add(fields.topic, body(), topic)
        said[#said + 1] = topic
    else
        tree:add(fields.frame, body())
    end
end

-- READY carries properties: name with a length of one byte, value with one of four.
local function show_properties(body, at, tree)
    while at < body:len() do
        local name_size = body(at, 1):uint()
        local value_at = at + 1 + name_size
        if value_at + 4 > body:len() then
            return
        end
        local value_size = body(value_at, 4):uint()
        local till = value_at + 4 + value_size
        if till > body:len() then
            return
        end
        local raw = body:raw()
        tree:add(fields.property, body(at, till - at),
                 raw:sub(at + 2, at + 1 + name_size) .. "=" .. raw:sub(value_at + 5, till))
        at = till
    end
end

local function show_command(body, tree, said)
    local name_size = body:len() > 0 and body(0, 1):uint() or 0
    if name_size == 0 or 1 + name_size > body:len() then
        tree:add(fields.frame, body())
        return
    end
    local name, rest = body:raw():sub(2, 1 + name_size), body:raw():sub(2 + name_size)
    local shown = tree:add(fields.command, body(), name)
    said[#said + 1] = name
    if name == "READY" then
        show_properties(body, 1 + name_size, shown)
    elseif name == "SUBSCRIBE" or name == "CANCEL" then
        shown:add(name == "SUBSCRIBE" and fields.subscribe or fields.cancel, body(1 + name_size), rest)
    end
end

local function show_greeting(tvb, at, tree, said)
    local version = tvb(at + 10, 1):uint() .. "." .. tvb(at + 11, 1):uint()
    local mechanism = tvb(at + 12, 20):stringz()
    local shown = tree:add(fields.greeting, tvb(at, 64), version .. " " .. mechanism)
    shown:add(fields.version, tvb(at + 10, 2), version)
    shown:add(fields.mechanism, tvb(at + 12, 20), mechanism)
    said[#said + 1] = "greeting"
end

---- a TCP segment: any number of messages, the last of which may go on in the next ----

-- Bytes of the greeting or frame that begins at `at`, and of its own head; nil if more must come first; 0 if that is no ZMTP.
local function unit_size(tvb, at)
    local left = tvb:len() - at
    if left < 1 then
        return nil
    end
    local first = tvb(at, 1):uint()
    if first == 0xff then
        return 64, 0
    elseif first > 7 then
        return 0
    elseif not has(first, LONG) then
        if left < 2 then
            return nil
        end
        return 2 + tvb(at + 1, 1):uint(), 2
    elseif left < 9 then
        return nil
    end
    local size = tvb(at + 1, 8):uint64()
    if size:higher() > 0 or size:lower() > FRAME_MAX then
        return 0
    end
    return 9 + size:lower(), 9
end

-- All frames of the message that begins at `at`: {from, head, size, flags} each. Or nil, and how many bytes are missing (nil:
-- that is not known yet; 0: that is no ZMTP).
local function message(tvb, at)
    local units = {}
    repeat
        local size, head = unit_size(tvb, at)
        if not size or size == 0 then
            return nil, size
        elseif at + size > tvb:len() then
            return nil, at + size - tvb:len()
        end
        local flags = tvb(at, 1):uint()
        units[#units + 1] = {at = at, head = head, size = size, flags = flags}
        at = at + size
    until flags == 0xff or not has(flags, MORE)
    return units, at
end

local function show(tvb, unit, tree, said)
    if unit.flags == 0xff then
        show_greeting(tvb, unit.at, tree, said)
    elseif unit.size == unit.head then
        tree:add(fields.frame, tvb(unit.at, unit.size)):append_text(" (empty)")
    else
        local body = tvb(unit.at + unit.head, unit.size - unit.head):tvb()
        if has(unit.flags, COMMAND) then
            show_command(body, tree, said)
        else
            show_message(body, tree, has(unit.flags, MORE), said)
        end
    end
end

function tipoff.dissector(tvb, pinfo, root)
    local at, size = 0, tvb:len()
    local tree, said = root:add(tipoff, tvb()), {}
    pinfo.cols.protocol = "tipoff"
    while at < size do
        local units, next = message(tvb, at)
        if not units and next == 0 then
            tree:add(fields.frame, tvb(at)):add_proto_expert_info(experts.bytes)
            break
        elseif not units then
            pinfo.desegment_offset = at
            pinfo.desegment_len = next or DESEGMENT_ONE_MORE_SEGMENT
            break
        end
        for _, unit in ipairs(units) do
            show(tvb, unit, tree, said)
        end
        at = next
    end
    if #said > 0 then
        pinfo.cols.info = table.concat(said, " ", 1, math.min(#said, 8)) .. (#said > 8 and " ..." or "")
    end
    return size
end

-- The signature of a greeting: ff, eight of anything, 7f.
local function by_greeting(tvb, pinfo, root)
    if tvb:len() < 10 or tvb(0, 1):uint() ~= 0xff or tvb(9, 1):uint() ~= 0x7f then
        return false
    end
    pinfo.conversation = tipoff
    tipoff.dissector(tvb, pinfo, root)
    return true
end
tipoff:register_heuristic("tcp", by_greeting)

local port = 0
local function listen()
    local ports = DissectorTable.get("tcp.port")
    if port ~= 0 then
        ports:remove(port, tipoff)
    end
    port = tipoff.prefs.port
    if port ~= 0 then
        ports:add(port, tipoff)
    end
end
tipoff.prefs_changed = listen
listen()
