-- How many people stand before the page of the board that holds a person; no row when nobody is there.
SELECT toUInt32(intDiv(place_${by}_${span} - 1, {limit: UInt32}) * {limit: UInt32}) AS skipped
FROM ${t}rankings
WHERE snapshot = {snapshot: UInt64} AND people_version = {people_version: UInt64}
    AND person = toFixedString(unhex({person: String}), 16) AND place_${by}_${span} > 0
LIMIT 1
