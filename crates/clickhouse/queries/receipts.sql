-- What one run of a producer did to one account, by day and dims; the newest version of each row.
SELECT
    any(r.partition) AS partition, account, producer, epoch, day, model, tool, view, service_tier, region, unsplit,
    argMax(r.read, r.version) AS read, argMax(r.fresh, r.version) AS fresh, argMax(r.revised, r.version) AS revised,
    argMax(r.duplicate, r.version) AS duplicate, argMax(r.rejected, r.version) AS rejected,
    argMax(r.conflicts, r.version) AS conflicts, argMax(r.input, r.version) AS input,
    argMax(r.cache_read, r.version) AS cache_read, argMax(r.cache_write_5m, r.version) AS cache_write_5m,
    argMax(r.cache_write_1h, r.version) AS cache_write_1h, argMax(r.output, r.version) AS output,
    argMax(r.reasoning, r.version) AS reasoning, argMax(r.requests, r.version) AS requests,
    argMax(r.unpriced, r.version) AS unpriced, argMax(r.cost, r.version) AS cost, max(r.version) AS version
FROM ${t}receipts AS r
WHERE account = toFixedString(unhex({account: String}), 16) AND producer = toFixedString(unhex({producer: String}), 16)
    AND epoch = {epoch: Int64}
GROUP BY account, producer, epoch, day, model, tool, view, service_tier, region, unsplit
ORDER BY day, model, tool, view, service_tier, region, unsplit
