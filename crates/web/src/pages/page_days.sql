-- Tokens of each of the last days of the people of a page, and of everybody as 'all'. Follows a list named page.
owned AS (
    SELECT account, valid_from, valid_to, person, name
    FROM ${t}people_now
    WHERE account IN (SELECT account FROM ${t}people WHERE person IN (SELECT person FROM page))
        AND person IN (SELECT person FROM page)
),
hours AS (
    SELECT account, hour, argMax(toInt128(input) + cache_read + cache_write_5m + cache_write_1h + output + reasoning, version) AS tokens
    FROM ${t}usage_hourly
    WHERE account IN (SELECT account FROM owned UNION DISTINCT SELECT person FROM page)
        AND hour >= toDateTime({first_day: Int32} * 86400, 'UTC')
    GROUP BY account, hour, model, tool, view, service_tier, region, unsplit
),
days AS (
    SELECT o.person AS person, toInt32(toDate32(h.hour)) AS day, toInt64(sum(h.tokens)) AS tokens
    FROM hours AS h
    INNER JOIN (
        SELECT account, valid_from, valid_to, person FROM owned
        UNION ALL
        SELECT person, toDateTime(0, 'UTC'), toDateTime(4294967295, 'UTC'), person
        FROM page
        WHERE person NOT IN (SELECT account FROM ${t}people)
    ) AS o ON h.account = o.account
    WHERE h.hour >= o.valid_from AND h.hour < o.valid_to
    GROUP BY person, day
    UNION ALL
    SELECT toFixedString('all', 16), toInt32(m.day) AS day, toInt64(sum(m.tokens))
    FROM ${t}model_daily AS m
    WHERE m.day >= toDate32({first_day: Int32})
    GROUP BY day
)
