-- The lines of a person's page, section by section; no line at all when nobody has the id. Ranks and window totals
-- are the snapshot's; days, classes, models, tools and sessions are the newest that was published.
-- {split} is what divides a day: class or model.
WITH
    toFixedString(unhex({person: String}), 16) AS who,
    toInt128(0) AS none,
    toDecimal128(0, 9) AS free,
    owned AS (
        SELECT account, valid_from, valid_to, name
        FROM ${t}people_now
        WHERE person = who AND account IN (SELECT account FROM ${t}people WHERE person = who)
    ),
    mine AS (
        SELECT account, valid_from, valid_to FROM owned
        UNION ALL
        SELECT who, toDateTime(0, 'UTC'), toDateTime(4294967295, 'UTC')
        WHERE (SELECT count() FROM ${t}people WHERE account = who) = 0
    ),
    standing AS (
        SELECT *
        FROM ${t}rankings
        WHERE snapshot = {snapshot: UInt64} AND people_version = {people_version: UInt64} AND person = who
        LIMIT 1
    ),
    ranked AS (
        SELECT
            countIf(place_tokens_24h > 0) AS people_24h,
            countIf(place_tokens_7d > 0) AS people_7d,
            countIf(place_tokens_30d > 0) AS people_30d,
            countIf(place_tokens_lifetime > 0) AS people_lifetime
        FROM (
            SELECT * FROM ${t}rankings
            WHERE snapshot = {snapshot: UInt64} AND people_version = {people_version: UInt64}
            LIMIT 1 BY person
        )
    ),
    hours AS (
        SELECT
            account, hour, model, tool,
            argMax((input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, requests, unpriced, cost), version) AS newest
        FROM ${t}usage_hourly
        WHERE account IN (SELECT account FROM mine) AND hour >= toDateTime({first_day: Int32} * 86400, 'UTC')
        GROUP BY account, hour, model, tool, view, service_tier, region, unsplit
    ),
    used AS (
        SELECT
            toInt64(toInt32(toDate32(h.hour))) * 86400000 AS since_ms,
            toString(h.model) AS model,
            toString(h.tool) AS tool,
            sum(toInt128(h.newest.1)) AS input,
            sum(toInt128(h.newest.2)) AS cache_read,
            sum(toInt128(h.newest.3)) AS cache_write_5m,
            sum(toInt128(h.newest.4)) AS cache_write_1h,
            sum(toInt128(h.newest.5)) AS output,
            sum(toInt128(h.newest.6)) AS reasoning,
            input + cache_read + cache_write_5m + cache_write_1h + output + reasoning AS tokens,
            sum(h.newest.7) AS requests,
            sum(toInt128(h.newest.8)) AS unpriced,
            sum(h.newest.9) AS cost,
            [
                (1, 'cache_read', cache_read), (2, 'cache_write_5m', cache_write_5m), (3, 'cache_write_1h', cache_write_1h),
                (4, 'input', input), (5, 'output', output), (6, 'reasoning', reasoning)
            ] AS classes
        FROM hours AS h
        INNER JOIN mine AS m ON h.account = m.account
        WHERE h.hour >= m.valid_from AND h.hour < m.valid_to
        GROUP BY since_ms, model, tool
    ),
    -- Models with a colour of their own, the greatest first; all others are one series.
    (SELECT groupArray(model) FROM (SELECT model FROM used GROUP BY model ORDER BY sum(used.tokens) DESC, model LIMIT 7)) AS great,
    -- What was used stands under every line that it belongs to: its day, its model, its tool, its classes.
    divided AS (
        SELECT line.1 AS section, line.2 AS nth, line.3 AS label, line.4 AS since_ms, line.5 AS tokens, line.6 AS unpriced,
            line.7 AS cache_read, line.8 AS requests, line.9 AS cost
        FROM used AS u
        ARRAY JOIN arrayConcat(
            [
                ('day', toInt64(0), '', u.since_ms, u.tokens, u.unpriced, u.cache_read, u.requests, u.cost),
                ('model', toInt64(0), u.model, toInt64(0), u.tokens, u.unpriced, u.cache_read, u.requests, u.cost),
                ('tool', toInt64(0), u.tool, toInt64(0), u.tokens, u.unpriced, u.cache_read, u.requests, u.cost)
            ],
            arrayMap(class -> ('class', toInt64(0), class.2, toInt64(0), class.3, none, none, toInt64(0), free), u.classes),
            if({split: String} = 'class',
                arrayMap(class -> ('day', toInt64(class.1), class.2, u.since_ms, class.3, none, none, toInt64(0), free), u.classes),
                [('day',
                    if(has(great, u.model), toInt64(indexOf(great, u.model)), toInt64(99)), if(has(great, u.model), u.model, 'other models'),
                    u.since_ms, u.tokens, u.unpriced, u.cache_read, u.requests, u.cost)])
        ) AS line
    ),
    lines AS (
        SELECT
            'person' AS section, toInt64(0) AS nth, argMax(name, (name != '', valid_from)) AS label,
            toInt64(0) AS since_ms, toInt64(0) AS until_ms,
            toUInt32(0) AS rank_tokens, toUInt32(0) AS rank_cost,
            CAST(NULL, 'Nullable(Int32)') AS movement_tokens, CAST(NULL, 'Nullable(Int32)') AS movement_cost, toUInt64(0) AS people,
            none AS tokens, none AS unpriced, none AS cache_read, toInt64(0) AS requests, free AS cost
        FROM owned
        HAVING count() > 0 OR (SELECT count() FROM standing) > 0
        UNION ALL
        SELECT
            'board', board.1, board.2, 0, 0, board.3, board.4, board.5, board.6, board.7, board.8, board.9, board.10,
            toInt64(board.11), board.12
        FROM standing AS s
        CROSS JOIN ranked AS r
        ARRAY JOIN [
            (0, '24h', s.rank_tokens_24h, s.rank_cost_24h, s.climbed_tokens_24h, s.climbed_cost_24h, r.people_24h,
                s.tokens_24h, s.unpriced_24h, s.cache_read_24h, s.requests_24h, s.cost_24h),
            (1, '7d', s.rank_tokens_7d, s.rank_cost_7d, s.climbed_tokens_7d, s.climbed_cost_7d, r.people_7d,
                s.tokens_7d, s.unpriced_7d, s.cache_read_7d, s.requests_7d, s.cost_7d),
            (2, '30d', s.rank_tokens_30d, s.rank_cost_30d, s.climbed_tokens_30d, s.climbed_cost_30d, r.people_30d,
                s.tokens_30d, s.unpriced_30d, s.cache_read_30d, s.requests_30d, s.cost_30d),
            (3, 'lifetime', s.rank_tokens_lifetime, s.rank_cost_lifetime, s.climbed_tokens_lifetime, s.climbed_cost_lifetime,
                r.people_lifetime, s.tokens_lifetime, s.unpriced_lifetime, s.cache_read_lifetime, s.requests_lifetime, s.cost_lifetime)
        ] AS board
        UNION ALL
        SELECT
            section, max(nth), label, since_ms, 0, 0, 0, NULL, NULL, 0,
            sum(d.tokens) AS tokens, sum(d.unpriced), sum(d.cache_read), sum(d.requests) AS requests, sum(d.cost)
        FROM divided AS d
        GROUP BY section, label, since_ms
        HAVING tokens != 0 OR requests != 0
        UNION ALL
        SELECT
            'session', 0, lower(hex(session)), toUnixTimestamp64Milli(newest.1), toUnixTimestamp64Milli(newest.2), 0, 0, NULL, NULL, 0,
            toInt128(newest.3) + newest.4 + newest.5 + newest.6 + newest.7 + newest.8, toInt128(newest.10), toInt128(newest.4),
            newest.9, toDecimal128(newest.11, 9)
        FROM (
            SELECT
                account, session,
                argMax((first, last, input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, requests, unpriced, cost), version) AS newest
            FROM ${t}sessions
            WHERE session != 0 AND account IN (SELECT account FROM mine)
            GROUP BY account, session
        )
        ORDER BY newest.2 DESC
        LIMIT {sessions: UInt32}
    )
SELECT
    {snapshot: UInt64} AS snapshot,
    {as_of_ms: Int64} AS as_of_ms,
    section, label, since_ms, until_ms, rank_tokens, rank_cost, movement_tokens, movement_cost, people, tokens, unpriced,
    if(tokens > 0, toFloat64(cache_read) / toFloat64(tokens), 0) AS cache_read_share,
    if(tokens > 0, toFloat64(tokens) / toFloat64(sum(tokens) OVER (PARTITION BY section)), 0) AS share,
    requests,
    cost AS cost_nano_usd
FROM lines
ORDER BY section, nth, if(section = 'day', since_ms, -until_ms), tokens DESC, label
