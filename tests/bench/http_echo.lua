-- wrk script: a multipart POST of two files of 20 KB with a JPEG's share of CR bytes.
local boundary = "----facepairboundary"
local bytes = {}
math.randomseed(1)
for i = 1, 20 * 1024 do bytes[i] = string.char(math.random(0, 255)) end
local image = table.concat(bytes)

local function part(name)
   return "--" .. boundary .. "\r\nContent-Disposition: form-data; name=\"" .. name ..
      "\"; filename=\"" .. name .. ".jpg\"\r\nContent-Type: image/jpeg\r\n\r\n" .. image .. "\r\n"
end

wrk.method = "POST"
wrk.headers["Content-Type"] = "multipart/form-data; boundary=" .. boundary
wrk.body = part("image1") .. part("image2") .. "--" .. boundary .. "--\r\n"
