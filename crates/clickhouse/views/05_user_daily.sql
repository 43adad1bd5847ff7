-- Each person's usage on each UTC day, by model and tool. Everything up to as_of is in it.
CREATE OR REPLACE VIEW ${t}user_daily${on_cluster} AS
SELECT
    person,
    toDate32(h.hour) AS day,
    h.model AS model,
    h.tool AS tool,
    sum(h.tokens) AS tokens,
    sum(toInt128(h.input)) AS input,
    sum(toInt128(h.cache_read)) AS cache_read,
    sum(toInt128(h.cache_write_5m)) AS cache_write_5m,
    sum(toInt128(h.cache_write_1h)) AS cache_write_1h,
    sum(toInt128(h.output)) AS output,
    sum(toInt128(h.reasoning)) AS reasoning,
    sum(toInt128(h.requests)) AS requests,
    sum(toInt128(h.unpriced)) AS unpriced,
    sum(h.cost) AS cost,
    any(h.as_of) AS as_of
FROM ${t}user_hourly AS h
GROUP BY person, day, model, tool
