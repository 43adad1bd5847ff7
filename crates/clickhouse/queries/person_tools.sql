-- A person's usage since an hour, by tool.
SELECT
    toString(h.tool) AS tool,
    sum(h.tokens) AS tokens,
    sum(toInt128(h.cache_read)) AS cache_read,
    sum(toInt128(h.requests)) AS requests,
    sum(toInt128(h.unpriced)) AS unpriced,
    sum(h.cost) AS cost
FROM ${t}user_hourly AS h
WHERE h.person = toFixedString(unhex({person: String}), 16)
    AND h.account IN (
        SELECT account FROM ${t}people_now WHERE person = toFixedString(unhex({person: String}), 16)
        UNION ALL SELECT toFixedString(unhex({person: String}), 16)
    )
    AND h.hour >= toDateTime({since: UInt32}, 'UTC')
GROUP BY tool
HAVING tokens != 0 OR requests != 0 OR cost != 0
ORDER BY tokens DESC, tool
