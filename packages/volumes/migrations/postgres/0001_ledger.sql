-- Times are milliseconds since 1970. `project` is a label of the caller's, not a foreign key.
-- `location` is a path on `host`, which names one machine, or several that see the same disks.
CREATE TABLE volumes (
  id            text COLLATE "C" PRIMARY KEY,
  kind          text NOT NULL CHECK (kind IN ('volume', 'snapshot', 'disk')),
  project       text NOT NULL,
  host          text NOT NULL,
  location      text NOT NULL,
  format        text NOT NULL CHECK (format IN ('luks1', 'luks2', 'plain')),
  cipher        text NOT NULL,
  key_id        text,
  state         text NOT NULL CHECK (state IN ('creating', 'ready', 'deleting')),
  parent_id     text,
  header_backup text,
  attributes    text NOT NULL,
  created       bigint NOT NULL,
  updated       bigint NOT NULL,
  UNIQUE (host, location)
);
CREATE INDEX volumes_by_project ON volumes (project);
CREATE INDEX volumes_by_key ON volumes (key_id);
CREATE INDEX volumes_by_parent ON volumes (parent_id);

-- `step` is the step that may have been begun: it is written before the step is taken.
CREATE TABLE operations (
  id        text COLLATE "C" PRIMARY KEY,
  kind      text NOT NULL,
  volume_id text NOT NULL,
  project   text NOT NULL,
  host      text NOT NULL,
  phase     text NOT NULL CHECK (phase IN ('preparing', 'finishing', 'undoing', 'done', 'undone')),
  step      integer NOT NULL,
  input     text NOT NULL,
  facts     text NOT NULL,
  problem   text,
  created   bigint NOT NULL,
  updated   bigint NOT NULL
);
CREATE INDEX operations_unfinished ON operations (created) WHERE phase NOT IN ('done', 'undone');
CREATE INDEX operations_by_volume ON operations (volume_id);

-- Who works on a volume. Whoever renews in time has it; `token` tells him from those before and after.
CREATE TABLE locks (
  subject       text PRIMARY KEY,
  token         text NOT NULL,
  host          text NOT NULL,
  machine       text NOT NULL,
  boot          text NOT NULL,
  pid_namespace text NOT NULL,
  pid           integer NOT NULL,
  started       text NOT NULL,
  taken         timestamptz NOT NULL,
  expires       timestamptz NOT NULL
);

-- Keys that no volume needs, and since when they have been found so.
CREATE TABLE quarantined_keys (
  key_id text COLLATE "C" PRIMARY KEY,
  since  bigint NOT NULL
);
