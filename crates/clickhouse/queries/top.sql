-- One page of a board of one snapshot. ${window_name} is a window, ${by} a metric.
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
        AND place_${by}_${window_name} > {offset: UInt32} AND place_${by}_${window_name} <= {offset: UInt32} + {limit: UInt32}
    LIMIT 1 BY person
) AS r
LEFT JOIN (
    SELECT person, argMax(name, (name != '', valid_from)) AS name, argMax(team, valid_from) AS team
    FROM ${t}people_now
    GROUP BY person
) AS n ON r.person = n.person
ORDER BY place
