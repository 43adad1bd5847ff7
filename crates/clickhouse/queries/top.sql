-- One page of a board of one snapshot. ${column} is a window, ${by} a metric.
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
        AND ${column}.place_${by} > {offset: UInt32} AND ${column}.place_${by} <= {offset: UInt32} + {limit: UInt32}
    LIMIT 1 BY person
) AS r
LEFT JOIN (
    SELECT person, argMax(name, (name != '', valid_from)) AS name, argMax(team, valid_from) AS team
    FROM ${t}people_now
    GROUP BY person
) AS n ON r.person = n.person
ORDER BY place
