-- Times are milliseconds since 1970. `project` is a label of the caller's, not a foreign key.
CREATE TABLE volumes (
  id            TEXT PRIMARY KEY,
  kind          TEXT NOT NULL CHECK (kind IN ('volume', 'snapshot', 'disk')),
  project       TEXT NOT NULL,
  location      TEXT NOT NULL UNIQUE,
  format        TEXT NOT NULL CHECK (format IN ('luks1', 'luks2', 'plain')),
  cipher        TEXT NOT NULL,
  key_id        TEXT,
  state         TEXT NOT NULL CHECK (state IN ('creating', 'ready', 'deleting')),
  parent_id     TEXT,
  header_backup TEXT,
  attributes    TEXT NOT NULL,
  created       INTEGER NOT NULL,
  updated       INTEGER NOT NULL
) STRICT;
CREATE INDEX volumes_by_key ON volumes (key_id);
CREATE INDEX volumes_by_parent ON volumes (parent_id);

-- `step` is the step that may have been begun: it is written before the step is taken.
CREATE TABLE operations (
  id        TEXT PRIMARY KEY,
  kind      TEXT NOT NULL,
  volume_id TEXT NOT NULL,
  project   TEXT NOT NULL,
  phase     TEXT NOT NULL CHECK (phase IN ('preparing', 'finishing', 'undoing', 'done', 'undone')),
  step      INTEGER NOT NULL,
  input     TEXT NOT NULL,
  facts     TEXT NOT NULL,
  problem   TEXT,
  created   INTEGER NOT NULL,
  updated   INTEGER NOT NULL
) STRICT;
CREATE INDEX operations_unfinished ON operations (created) WHERE phase NOT IN ('done', 'undone');
CREATE INDEX operations_by_volume ON operations (volume_id);

-- Who works on a volume. A row whose process is gone counts for nothing.
CREATE TABLE locks (
  subject       TEXT PRIMARY KEY,
  token         TEXT NOT NULL,
  machine       TEXT NOT NULL,
  boot          TEXT NOT NULL,
  pid_namespace TEXT NOT NULL,
  pid           INTEGER NOT NULL,
  started       TEXT NOT NULL,
  taken         INTEGER NOT NULL
) STRICT;
