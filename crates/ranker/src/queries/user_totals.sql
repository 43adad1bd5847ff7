-- What user_totals holds, newest versions.
SELECT ${fields} FROM ${t}user_totals FINAL
