-- Where each chain that an older version wrote ended when the database was upgraded. `mac` covers the row.
CREATE TABLE audit_upgrades (
  chain TEXT PRIMARY KEY,
  last_sequence INTEGER NOT NULL,
  head BLOB NOT NULL,
  mac BLOB NOT NULL
) WITHOUT ROWID;

-- Sealed parts of the chains. A removed one keeps its row, which says how the record goes on. `mac` covers the row.
CREATE TABLE audit_segments (
  chain TEXT NOT NULL,
  number INTEGER NOT NULL,
  format INTEGER NOT NULL,
  first_sequence INTEGER NOT NULL,
  last_sequence INTEGER NOT NULL,
  previous BLOB,
  head BLOB NOT NULL,
  bytes INTEGER NOT NULL,
  first_at TEXT NOT NULL,
  last_at TEXT NOT NULL,
  sealed TEXT NOT NULL,
  exported TEXT,
  digest TEXT,
  removed TEXT,
  mac BLOB NOT NULL,
  PRIMARY KEY (chain, number)
) WITHOUT ROWID;
