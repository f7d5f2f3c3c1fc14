-- For wrk: posts the files 1.body … N.body of a folder in turn, and ends with one line of JSON.
-- usage: wrk … -s post.lua URL -- FOLDER N BOUNDARY
local bodies, turn, threads = {}, 0, 0

function setup(thread)
    thread:set("turn", threads) -- threads do not walk through the bodies in step
    threads = threads + 1
end

function init(args)
    local headers = {["Content-Type"] = "multipart/form-data; boundary=" .. args[3]}
    for i = 1, tonumber(args[2]) do
        local file = assert(io.open(args[1] .. "/" .. i .. ".body", "rb"))
        bodies[i] = wrk.format("POST", nil, headers, file:read("*a"))
        file:close()
    end
end

function request()
    turn = turn % #bodies + 1
    return bodies[turn]
end

function done(summary, latency)
    local e = summary.errors
    io.write(string.format(
        '\n{"rate": %.3f, "p50": %.3f, "p99": %.3f, "answers": %d, "faults": %d}\n',
        summary.requests / summary.duration * 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
        summary.requests, e.status + e.connect + e.read + e.write + e.timeout))
end
