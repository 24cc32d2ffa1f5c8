-- SPDX-License-Identifier: Apache-2.0
-- For wrk: every request puts one key with a value of 100 bytes, as the tuning guide asks for.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"key":"benchmark:post","value":"' .. string.rep("v", 100) .. '"}'
