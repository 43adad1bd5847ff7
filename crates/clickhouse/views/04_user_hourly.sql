-- Each person's usage in each hour, by dims. Everything up to as_of is in it.
CREATE OR REPLACE VIEW ${t}user_hourly${on_cluster} AS
SELECT
    if(h.hour < p.valid_to, p.person, h.account) AS person,
    h.account AS account,
    h.hour AS hour,
    if(h.hour < p.valid_to, p.team, '') AS team,
    h.model AS model,
    h.tool AS tool,
    h.view AS view,
    h.service_tier AS service_tier,
    h.region AS region,
    h.unsplit AS unsplit,
    toInt128(h.newest.1) + h.newest.2 + h.newest.3 + h.newest.4 + h.newest.5 + h.newest.6 AS tokens,
    h.newest.1 AS input,
    h.newest.2 AS cache_read,
    h.newest.3 AS cache_write_5m,
    h.newest.4 AS cache_write_1h,
    h.newest.5 AS output,
    h.newest.6 AS reasoning,
    h.newest.7 AS requests,
    h.newest.8 AS unpriced,
    h.newest.9 AS cost,
    assumeNotNull((SELECT min(clock) FROM ${t}progress_now)) AS as_of
FROM (
    SELECT
        account, hour, model, tool, view, service_tier, region, unsplit,
        argMax((input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, requests, unpriced, cost), version) AS newest
    FROM ${t}usage_hourly
    GROUP BY account, hour, model, tool, view, service_tier, region, unsplit
) AS h
ASOF LEFT JOIN ${t}people_now AS p ON h.account = p.account AND h.hour >= p.valid_from
