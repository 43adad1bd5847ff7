-- Tokens by UTC day of several people, for the lines beside their names.
SELECT h.person AS person, toDate32(h.hour) AS day, sum(h.tokens) AS tokens
FROM ${t}user_hourly AS h
WHERE h.account IN (
        SELECT account FROM ${t}people_now WHERE person IN (SELECT toFixedString(unhex(arrayJoin({people: Array(String)})), 16))
        UNION ALL SELECT toFixedString(unhex(arrayJoin({people: Array(String)})), 16)
    )
    AND h.person IN (SELECT toFixedString(unhex(arrayJoin({people: Array(String)})), 16))
    AND h.hour >= toDateTime({since: UInt32}, 'UTC')
GROUP BY person, day
ORDER BY person, day
