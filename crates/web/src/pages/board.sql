-- The lines of one page of a board, of one snapshot: the company, the people of the page, everybody else.
-- The lines add up: one pass over the snapshot groups every person into exactly one line, and all into the company.
-- ${span} is a window, ${by} a metric; search '' finds everybody. Raw people are only a net: people_now decides.
WITH
    found AS (
        SELECT person, place_${by}_${span} AS place
        FROM ${t}rankings
        WHERE snapshot = {snapshot: UInt64} AND people_version = {people_version: UInt64} AND place_${by}_${span} > 0
            AND (
                {search: String} = ''
                OR startsWith(lower(hex(person)), lower({search: String}))
                OR person IN (
                    SELECT person
                    FROM ${t}people_now
                    WHERE positionCaseInsensitiveUTF8(concat(name, '\n', email, '\n', subject), {search: String}) > 0
                        AND account IN (
                            SELECT account
                            FROM ${t}people
                            WHERE {search: String} != ''
                                AND positionCaseInsensitiveUTF8(concat(name, '\n', email, '\n', subject), {search: String}) > 0
                        )
                )
            )
        LIMIT 1 BY person
    ),
    (SELECT count() FROM found) AS found_people,
    -- One value, so that it is found once.
    (SELECT groupArray(person) FROM (SELECT person FROM found ORDER BY place LIMIT {limit: UInt32} OFFSET {offset: UInt32})) AS page_people,
    page AS (SELECT arrayJoin(page_people) AS person),
    lines AS (
        SELECT
            if(person IN (SELECT person FROM page), person, toFixedString('', 16)) AS who,
            grouping(who) AS of_all,
            count() AS people,
            any(r.rank_${by}_${span}) AS rank,
            any(tuple(r.climbed_${by}_${span})) AS movement,
            min(r.place_${by}_${span}) AS place,
            sum(r.tokens_${span}) AS tokens,
            sum(r.unpriced_${span}) AS unpriced,
            sum(r.cache_read_${span}) AS cache_read,
            sum(r.cost_${span}) AS cost
        FROM (
            SELECT *
            FROM ${t}rankings
            WHERE snapshot = {snapshot: UInt64} AND people_version = {people_version: UInt64} AND place_${by}_${span} > 0
            LIMIT 1 BY person
        ) AS r
        GROUP BY GROUPING SETS ((who), ())
    ),
    ${page_days}
SELECT
    {snapshot: UInt64} AS snapshot,
    {as_of_ms: Int64} AS as_of_ms,
    multiIf(l.of_all = 1, 'company', l.who = toFixedString('', 16), 'others', 'person') AS line,
    l.people AS people,
    assumeNotNull(found_people) AS found,
    toUInt64({offset: UInt32}) AS skipped,
    l.who AS person,
    n.name AS name,
    l.rank AS rank,
    l.movement.1 AS movement,
    l.tokens AS tokens,
    l.unpriced AS unpriced,
    if(l.tokens > 0, toFloat64(l.cache_read) / toFloat64(l.tokens), 0) AS cache_read_share,
    l.cost AS cost_nano_usd,
    arrayMap(day -> d.tokens[indexOf(d.days, day)], range({first_day: Int32}, {last_day: Int32} + 1)) AS days,
    {last_day: Int32} AS last_day
FROM lines AS l
LEFT JOIN (SELECT person, argMax(name, (name != '', valid_from)) AS name FROM owned GROUP BY person) AS n ON n.person = l.who
LEFT JOIN (SELECT person, groupArray(day) AS days, groupArray(tokens) AS tokens FROM days GROUP BY person) AS d
    ON d.person = if(l.of_all = 1, toFixedString('all', 16), l.who)
ORDER BY l.of_all DESC, l.who = toFixedString('', 16), l.place
