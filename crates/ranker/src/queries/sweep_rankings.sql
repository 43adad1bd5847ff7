ALTER TABLE ${t}rankings${on_cluster} DELETE
WHERE (snapshot, people_version) > (${number}, ${people_version})
SETTINGS mutations_sync = 2
