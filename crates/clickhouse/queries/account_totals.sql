-- The newest version of every account total. FINAL merges while it reads, in the order of the key.
SELECT ${fields} FROM ${t}account_totals FINAL
