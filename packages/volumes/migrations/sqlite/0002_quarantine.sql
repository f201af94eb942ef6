-- Keys that no volume needs, and since when they have been found so.
CREATE TABLE quarantined_keys (
  key_id TEXT PRIMARY KEY,
  since  INTEGER NOT NULL
) STRICT;
