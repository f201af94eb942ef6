-- Where each chain that an older version wrote ended when the database was upgraded. `mac` covers the row.
CREATE TABLE audit_upgrades (
  chain TEXT COLLATE "C" PRIMARY KEY,
  last_sequence BIGINT NOT NULL,
  head BYTEA NOT NULL,
  mac BYTEA NOT NULL
);

-- Sealed parts of the chains. A removed one keeps its row, which says how the record goes on. `mac` covers the row.
CREATE TABLE audit_segments (
  chain TEXT COLLATE "C" NOT NULL,
  number INTEGER NOT NULL,
  format INTEGER NOT NULL,
  first_sequence BIGINT NOT NULL,
  last_sequence BIGINT NOT NULL,
  previous BYTEA,
  head BYTEA NOT NULL,
  bytes BIGINT NOT NULL,
  first_at TEXT COLLATE "C" NOT NULL,
  last_at TEXT COLLATE "C" NOT NULL,
  sealed TEXT COLLATE "C" NOT NULL,
  exported TEXT COLLATE "C",
  digest TEXT COLLATE "C",
  removed TEXT COLLATE "C",
  mac BYTEA NOT NULL,
  PRIMARY KEY (chain, number)
);
