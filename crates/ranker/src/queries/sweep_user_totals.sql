ALTER TABLE ${t}user_totals${on_cluster} DELETE
WHERE version > ${number}
SETTINGS mutations_sync = 2
