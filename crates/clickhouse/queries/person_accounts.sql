-- The accounts of a person, newest names.
SELECT account, valid_from, valid_to, person, source, subject, name, email, team, erased
FROM ${t}people_now
WHERE person = toFixedString(unhex({person: String}), 16)
ORDER BY source, subject, account, valid_from
