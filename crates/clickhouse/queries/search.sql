-- People of a board whose name, e-mail or hash holds a text, best first. ${column} is a window, ${by} a metric.
SELECT
    r.place AS place, r.rank AS rank, r.climbed AS climbed, r.person AS person, n.name AS name, n.team AS team,
    r.tokens AS tokens, r.cache_read AS cache_read, r.requests AS requests, r.unpriced AS unpriced, r.cost AS cost,
    r.tier AS tier
FROM (
    SELECT
        person, ${column}.place_${by} AS place, ${column}.rank_${by} AS rank, ${column}.climbed_${by} AS climbed,
        ${column}.tokens AS tokens, ${column}.cache_read AS cache_read, ${column}.requests AS requests,
        ${column}.unpriced AS unpriced, ${column}.cost AS cost, tier
    FROM ${t}rankings
    WHERE snapshot = {snapshot: UInt64} AND people_version = {people_version: UInt64}
    LIMIT 1 BY person
) AS r
LEFT JOIN (
    SELECT
        person,
        argMax(name, (name != '', valid_from)) AS name,
        argMax(team, valid_from) AS team,
        arrayStringConcat(groupUniqArray(concat(name, ' ', email, ' ', subject)), ' ') AS words
    FROM ${t}people_now
    GROUP BY person
) AS n ON r.person = n.person
WHERE positionCaseInsensitiveUTF8(n.words, {search: String}) > 0 OR startsWith(lower(hex(r.person)), lower({search: String}))
ORDER BY place
LIMIT {limit: UInt32} OFFSET {offset: UInt32}
