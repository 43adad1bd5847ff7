-- People of a board whose name, e-mail or hash holds a text, best first. ${window_name} is a window, ${by} a metric.
SELECT
    r.place AS place, r.rank AS rank, r.climbed AS climbed, r.person AS person, n.name AS name, n.team AS team,
    r.tokens AS tokens, r.cache_read AS cache_read, r.requests AS requests, r.unpriced AS unpriced, r.cost AS cost,
    r.tier AS tier
FROM (
    SELECT
        person, place_${by}_${window_name} AS place, rank_${by}_${window_name} AS rank, climbed_${by}_${window_name} AS climbed,
        tokens_${window_name} AS tokens, cache_read_${window_name} AS cache_read, requests_${window_name} AS requests,
        unpriced_${window_name} AS unpriced, cost_${window_name} AS cost, tier
    FROM ${t}rankings
    WHERE snapshot = {snapshot: UInt64} AND people_version = {people_version: UInt64}
    LIMIT 1 BY person
) AS r
LEFT JOIN (
    SELECT
        p.person AS person,
        argMax(p.name, (p.name != '', p.valid_from)) AS name,
        argMax(p.team, p.valid_from) AS team,
        arrayStringConcat(groupUniqArray(concat(p.name, ' ', p.email, ' ', p.subject)), ' ') AS words
    FROM ${t}people_now AS p
    GROUP BY p.person
) AS n ON r.person = n.person
WHERE positionCaseInsensitiveUTF8(n.words, {search: String}) > 0 OR startsWith(lower(hex(r.person)), lower({search: String}))
ORDER BY place
LIMIT {limit: UInt32} OFFSET {offset: UInt32}
