-- Times are UTC texts of one width, so they order as instants do. Ids are lower-case UUIDs.

-- Which root keys have wrapped anything here. The check value tells a wrong root key at start.
CREATE TABLE root_keys (
  id INTEGER PRIMARY KEY,
  check_value BLOB NOT NULL,
  created TEXT NOT NULL
);

-- Keys of the server itself (the audit chain's), wrapped by a root key.
CREATE TABLE system_keys (
  name TEXT PRIMARY KEY,
  root_key_id INTEGER NOT NULL REFERENCES root_keys (id),
  wrapped BLOB NOT NULL
);

-- One key a project and generation, wrapped by a root key. The highest generation seals what is new.
CREATE TABLE project_keys (
  project_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  root_key_id INTEGER NOT NULL REFERENCES root_keys (id),
  wrapped BLOB NOT NULL,
  created TEXT NOT NULL,
  PRIMARY KEY (project_id, generation)
) WITHOUT ROWID;

-- How many objects a project has, so that lists need not count them. `slot` spreads the contention.
CREATE TABLE counts (
  project_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  slot INTEGER NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (project_id, kind, slot)
) WITHOUT ROWID;

CREATE TABLE project_quotas (
  project_id TEXT PRIMARY KEY,
  secrets INTEGER,
  orders INTEGER,
  containers INTEGER,
  consumers INTEGER,
  cas INTEGER
);

-- `acl` is the read ACL as JSON, null for none. `tag` is a MAC over who owns the object and its ACL.
CREATE TABLE secrets (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL,
  creator_id TEXT NOT NULL,
  name TEXT,
  secret_type TEXT NOT NULL,
  algorithm TEXT,
  bit_length INTEGER,
  mode TEXT,
  expiration TEXT,
  created TEXT NOT NULL,
  updated TEXT NOT NULL,
  content_type TEXT,
  acl TEXT,
  tag BLOB NOT NULL,
  tag_generation INTEGER NOT NULL,
  deleted TEXT
);
CREATE INDEX secrets_by_age ON secrets (project_id, created, id) WHERE deleted IS NULL;
CREATE INDEX secrets_by_name ON secrets (project_id, name, created, id) WHERE deleted IS NULL;
CREATE INDEX secrets_by_expiration ON secrets (project_id, expiration)
  WHERE expiration IS NOT NULL AND deleted IS NULL;
CREATE INDEX secrets_deleted ON secrets (deleted) WHERE deleted IS NOT NULL;

CREATE TABLE payloads (
  secret_id TEXT PRIMARY KEY REFERENCES secrets (id) ON DELETE CASCADE,
  generation INTEGER NOT NULL,
  sealed BLOB NOT NULL
);

CREATE TABLE secret_metadata (
  secret_id TEXT NOT NULL REFERENCES secrets (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (secret_id, key)
) WITHOUT ROWID;

CREATE TABLE secret_consumers (
  id TEXT PRIMARY KEY,
  secret_id TEXT NOT NULL REFERENCES secrets (id) ON DELETE CASCADE,
  project_id TEXT NOT NULL,
  service TEXT NOT NULL,
  resource_type TEXT NOT NULL,
  resource_id TEXT NOT NULL,
  created TEXT NOT NULL,
  updated TEXT NOT NULL,
  UNIQUE (secret_id, service, resource_type, resource_id)
);

CREATE TABLE containers (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL,
  creator_id TEXT NOT NULL,
  name TEXT,
  type TEXT NOT NULL,
  created TEXT NOT NULL,
  updated TEXT NOT NULL,
  acl TEXT,
  tag BLOB NOT NULL,
  tag_generation INTEGER NOT NULL
);
CREATE INDEX containers_by_age ON containers (project_id, created, id);

CREATE TABLE container_secrets (
  container_id TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
  secret_id TEXT NOT NULL REFERENCES secrets (id) ON DELETE CASCADE,
  name TEXT,
  position INTEGER NOT NULL,
  PRIMARY KEY (container_id, position)
) WITHOUT ROWID;
CREATE INDEX container_secrets_by_secret ON container_secrets (secret_id);

CREATE TABLE container_consumers (
  id TEXT PRIMARY KEY,
  container_id TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
  project_id TEXT NOT NULL,
  name TEXT NOT NULL,
  url TEXT NOT NULL,
  created TEXT NOT NULL,
  updated TEXT NOT NULL,
  UNIQUE (container_id, name, url)
);

-- Finds the objects that a user was granted. An index only: the tagged `acl` decides.
CREATE TABLE acl_users (
  user_id TEXT NOT NULL,
  object_id TEXT NOT NULL,
  PRIMARY KEY (user_id, object_id)
) WITHOUT ROWID;
CREATE INDEX acl_users_by_object ON acl_users (object_id);

-- A PENDING order is claimed by one process until `claimed_until`, and finished in one transaction.
CREATE TABLE orders (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL,
  creator_id TEXT NOT NULL,
  type TEXT NOT NULL,
  meta TEXT NOT NULL,
  status TEXT NOT NULL,
  secret_id TEXT,
  container_id TEXT,
  error_status TEXT,
  error_reason TEXT,
  passphrase BLOB,
  passphrase_generation INTEGER,
  claimed_until TEXT,
  created TEXT NOT NULL,
  updated TEXT NOT NULL
);
CREATE INDEX orders_by_age ON orders (project_id, created, id);
CREATE INDEX orders_pending ON orders (created) WHERE status = 'PENDING';

CREATE TABLE audit (
  chain TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  line TEXT NOT NULL,
  mac BLOB NOT NULL,
  PRIMARY KEY (chain, sequence)
) WITHOUT ROWID;
