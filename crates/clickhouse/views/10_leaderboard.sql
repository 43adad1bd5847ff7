-- The newest complete snapshot, one row per person and window. Filter by window; page by place_tokens or place_cost.
--
-- The marker is joined from the left, because a query takes its view of a table when it meets the table: the rows of a
-- marker that is seen are then seen too. Without the join, a snapshot that comes meanwhile is found without its rows.
-- The list of the last few only spares reading the others.
CREATE OR REPLACE VIEW ${t}leaderboard${on_cluster} AS
SELECT
    r.span AS window,
    r.as_of AS as_of,
    r.snapshot AS snapshot,
    r.person AS person,
    n.name AS name,
    n.team AS team,
    r.tokens AS tokens,
    r.cache_read AS cache_read,
    if(r.tokens > 0, toFloat64(r.cache_read) / toFloat64(r.tokens), 0) AS cache_read_share,
    r.requests AS requests,
    r.unpriced AS unpriced,
    r.cost AS cost,
    r.rank_tokens AS rank_tokens,
    r.place_tokens AS place_tokens,
    r.climbed_tokens AS climbed_tokens,
    r.rank_cost AS rank_cost,
    r.place_cost AS place_cost,
    r.climbed_cost AS climbed_cost,
    r.tier AS tier,
    r.titles AS titles
FROM (
    SELECT
        '24h' AS span, k.snapshot AS snapshot, k.as_of AS as_of, k.person AS person, tier, titles,
        tokens_24h AS tokens, cache_read_24h AS cache_read, requests_24h AS requests, unpriced_24h AS unpriced, cost_24h AS cost, rank_tokens_24h AS rank_tokens,
        place_tokens_24h AS place_tokens, climbed_tokens_24h AS climbed_tokens, rank_cost_24h AS rank_cost, place_cost_24h AS place_cost, climbed_cost_24h AS climbed_cost
    FROM (SELECT snapshot, people_version FROM ${t}snapshots ORDER BY snapshot DESC, people_version DESC LIMIT 1) AS m
    INNER JOIN (
        SELECT * FROM ${t}rankings
        WHERE (snapshot, people_version) IN (SELECT snapshot, people_version FROM ${t}snapshots ORDER BY snapshot DESC, people_version DESC LIMIT 3)
    ) AS k ON k.snapshot = m.snapshot AND k.people_version = m.people_version
    LIMIT 1 BY person
    UNION ALL
    SELECT
        '7d' AS span, k.snapshot AS snapshot, k.as_of AS as_of, k.person AS person, tier, titles,
        tokens_7d AS tokens, cache_read_7d AS cache_read, requests_7d AS requests, unpriced_7d AS unpriced, cost_7d AS cost, rank_tokens_7d AS rank_tokens,
        place_tokens_7d AS place_tokens, climbed_tokens_7d AS climbed_tokens, rank_cost_7d AS rank_cost, place_cost_7d AS place_cost, climbed_cost_7d AS climbed_cost
    FROM (SELECT snapshot, people_version FROM ${t}snapshots ORDER BY snapshot DESC, people_version DESC LIMIT 1) AS m
    INNER JOIN (
        SELECT * FROM ${t}rankings
        WHERE (snapshot, people_version) IN (SELECT snapshot, people_version FROM ${t}snapshots ORDER BY snapshot DESC, people_version DESC LIMIT 3)
    ) AS k ON k.snapshot = m.snapshot AND k.people_version = m.people_version
    LIMIT 1 BY person
    UNION ALL
    SELECT
        '30d' AS span, k.snapshot AS snapshot, k.as_of AS as_of, k.person AS person, tier, titles,
        tokens_30d AS tokens, cache_read_30d AS cache_read, requests_30d AS requests, unpriced_30d AS unpriced, cost_30d AS cost, rank_tokens_30d AS rank_tokens,
        place_tokens_30d AS place_tokens, climbed_tokens_30d AS climbed_tokens, rank_cost_30d AS rank_cost, place_cost_30d AS place_cost, climbed_cost_30d AS climbed_cost
    FROM (SELECT snapshot, people_version FROM ${t}snapshots ORDER BY snapshot DESC, people_version DESC LIMIT 1) AS m
    INNER JOIN (
        SELECT * FROM ${t}rankings
        WHERE (snapshot, people_version) IN (SELECT snapshot, people_version FROM ${t}snapshots ORDER BY snapshot DESC, people_version DESC LIMIT 3)
    ) AS k ON k.snapshot = m.snapshot AND k.people_version = m.people_version
    LIMIT 1 BY person
    UNION ALL
    SELECT
        'lifetime' AS span, k.snapshot AS snapshot, k.as_of AS as_of, k.person AS person, tier, titles,
        tokens_lifetime AS tokens, cache_read_lifetime AS cache_read, requests_lifetime AS requests, unpriced_lifetime AS unpriced, cost_lifetime AS cost, rank_tokens_lifetime AS rank_tokens,
        place_tokens_lifetime AS place_tokens, climbed_tokens_lifetime AS climbed_tokens, rank_cost_lifetime AS rank_cost, place_cost_lifetime AS place_cost, climbed_cost_lifetime AS climbed_cost
    FROM (SELECT snapshot, people_version FROM ${t}snapshots ORDER BY snapshot DESC, people_version DESC LIMIT 1) AS m
    INNER JOIN (
        SELECT * FROM ${t}rankings
        WHERE (snapshot, people_version) IN (SELECT snapshot, people_version FROM ${t}snapshots ORDER BY snapshot DESC, people_version DESC LIMIT 3)
    ) AS k ON k.snapshot = m.snapshot AND k.people_version = m.people_version
    LIMIT 1 BY person
) AS r
LEFT JOIN (
    SELECT person, argMax(name, (name != '', valid_from)) AS name, argMax(team, valid_from) AS team
    FROM ${t}people_now
    GROUP BY person
) AS n ON r.person = n.person
