-- Usage of each model on each UTC day, recomputed every ${refresh} seconds. Everything up to as_of is in it.
CREATE MATERIALIZED VIEW IF NOT EXISTS ${t}model_daily${on_cluster}
REFRESH EVERY ${refresh} SECOND
ENGINE = ${merge_tree} ORDER BY (day, model)
AS SELECT
    toDate32(h.hour) AS day,
    h.model AS model,
    uniqExact(h.person) AS people,
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
GROUP BY day, model
