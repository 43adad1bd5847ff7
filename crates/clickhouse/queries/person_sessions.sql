-- A person's sessions, the latest first.
SELECT
    s.session AS session,
    p.source AS source,
    s.newest.1 AS first,
    s.newest.2 AS last,
    toInt128(s.newest.3) + s.newest.4 + s.newest.5 + s.newest.6 + s.newest.7 + s.newest.8 AS tokens,
    toInt128(s.newest.4) AS cache_read,
    toInt128(s.newest.9) AS requests,
    toInt128(s.newest.10) AS unpriced,
    toDecimal128(s.newest.11, 9) AS cost
FROM (
    SELECT
        account, session,
        argMax((first, last, input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, requests, unpriced, cost), version) AS newest
    FROM ${t}sessions
    WHERE session != 0 AND account IN (
        SELECT account FROM ${t}people_now WHERE person = toFixedString(unhex({person: String}), 16)
        UNION ALL SELECT toFixedString(unhex({person: String}), 16)
    )
    GROUP BY account, session
) AS s
LEFT JOIN (SELECT account, argMax(source, valid_from) AS source FROM ${t}people_now GROUP BY account) AS p ON s.account = p.account
ORDER BY last DESC, session
LIMIT {limit: UInt32}
