-- Times are UTC texts of one width, so they order as instants do. Ids are lower-case UUIDs.

-- Which root keys have wrapped anything here. The check value tells a wrong root key at start.
CREATE TABLE root_keys (
  id INTEGER PRIMARY KEY,
  check_value BYTEA NOT NULL,
  created TEXT COLLATE "C" NOT NULL
);

-- Keys of the server itself (the audit chain's), wrapped by a root key.
CREATE TABLE system_keys (
  name TEXT COLLATE "C" PRIMARY KEY,
  root_key_id INTEGER NOT NULL REFERENCES root_keys (id),
  wrapped BYTEA NOT NULL
);

-- One key a project and generation, wrapped by a root key. The highest generation seals what is new.
CREATE TABLE project_keys (
  project_id TEXT COLLATE "C" NOT NULL,
  generation INTEGER NOT NULL,
  root_key_id INTEGER NOT NULL REFERENCES root_keys (id),
  wrapped BYTEA NOT NULL,
  created TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (project_id, generation)
);

-- How many objects a project has, so that lists need not count them. `slot` spreads the contention.
CREATE TABLE counts (
  project_id TEXT COLLATE "C" NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  slot INTEGER NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (project_id, kind, slot)
);

CREATE TABLE project_quotas (
  project_id TEXT COLLATE "C" PRIMARY KEY,
  secrets INTEGER,
  orders INTEGER,
  containers INTEGER,
  consumers INTEGER,
  cas INTEGER
);

-- `acl` is the read ACL as JSON, null for none. `tag` is a MAC over who owns the object and its ACL.
CREATE TABLE secrets (
  id TEXT COLLATE "C" PRIMARY KEY,
  project_id TEXT COLLATE "C" NOT NULL,
  creator_id TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C",
  secret_type TEXT COLLATE "C" NOT NULL,
  algorithm TEXT COLLATE "C",
  bit_length INTEGER,
  mode TEXT COLLATE "C",
  expiration TEXT COLLATE "C",
  created TEXT COLLATE "C" NOT NULL,
  updated TEXT COLLATE "C" NOT NULL,
  content_type TEXT COLLATE "C",
  acl TEXT COLLATE "C",
  tag BYTEA NOT NULL,
  tag_generation INTEGER NOT NULL,
  deleted TEXT COLLATE "C"
);
CREATE INDEX secrets_by_age ON secrets (project_id, created, id) WHERE deleted IS NULL;
CREATE INDEX secrets_by_name ON secrets (project_id, name, created, id) WHERE deleted IS NULL;
CREATE INDEX secrets_by_expiration ON secrets (project_id, expiration)
  WHERE expiration IS NOT NULL AND deleted IS NULL;
CREATE INDEX secrets_deleted ON secrets (deleted) WHERE deleted IS NOT NULL;

CREATE TABLE payloads (
  secret_id TEXT COLLATE "C" PRIMARY KEY REFERENCES secrets (id) ON DELETE CASCADE,
  generation INTEGER NOT NULL,
  sealed BYTEA NOT NULL
);

CREATE TABLE secret_metadata (
  secret_id TEXT COLLATE "C" NOT NULL REFERENCES secrets (id) ON DELETE CASCADE,
  key TEXT COLLATE "C" NOT NULL,
  value TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (secret_id, key)
);

CREATE TABLE secret_consumers (
  id TEXT COLLATE "C" PRIMARY KEY,
  secret_id TEXT COLLATE "C" NOT NULL REFERENCES secrets (id) ON DELETE CASCADE,
  project_id TEXT COLLATE "C" NOT NULL,
  service TEXT COLLATE "C" NOT NULL,
  resource_type TEXT COLLATE "C" NOT NULL,
  resource_id TEXT COLLATE "C" NOT NULL,
  created TEXT COLLATE "C" NOT NULL,
  updated TEXT COLLATE "C" NOT NULL,
  UNIQUE (secret_id, service, resource_type, resource_id)
);

CREATE TABLE containers (
  id TEXT COLLATE "C" PRIMARY KEY,
  project_id TEXT COLLATE "C" NOT NULL,
  creator_id TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C",
  type TEXT COLLATE "C" NOT NULL,
  created TEXT COLLATE "C" NOT NULL,
  updated TEXT COLLATE "C" NOT NULL,
  acl TEXT COLLATE "C",
  tag BYTEA NOT NULL,
  tag_generation INTEGER NOT NULL
);
CREATE INDEX containers_by_age ON containers (project_id, created, id);

CREATE TABLE container_secrets (
  container_id TEXT COLLATE "C" NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
  secret_id TEXT COLLATE "C" NOT NULL REFERENCES secrets (id) ON DELETE CASCADE,
  name TEXT COLLATE "C",
  position INTEGER NOT NULL,
  PRIMARY KEY (container_id, position)
);
CREATE INDEX container_secrets_by_secret ON container_secrets (secret_id);

CREATE TABLE container_consumers (
  id TEXT COLLATE "C" PRIMARY KEY,
  container_id TEXT COLLATE "C" NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
  project_id TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  url TEXT COLLATE "C" NOT NULL,
  created TEXT COLLATE "C" NOT NULL,
  updated TEXT COLLATE "C" NOT NULL,
  UNIQUE (container_id, name, url)
);

-- Finds the objects that a user was granted. An index only: the tagged `acl` decides.
CREATE TABLE acl_users (
  user_id TEXT COLLATE "C" NOT NULL,
  object_id TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (user_id, object_id)
);
CREATE INDEX acl_users_by_object ON acl_users (object_id);

-- A PENDING order is claimed by one process until `claimed_until`, and finished in one transaction.
CREATE TABLE orders (
  id TEXT COLLATE "C" PRIMARY KEY,
  project_id TEXT COLLATE "C" NOT NULL,
  creator_id TEXT COLLATE "C" NOT NULL,
  type TEXT COLLATE "C" NOT NULL,
  meta TEXT COLLATE "C" NOT NULL,
  status TEXT COLLATE "C" NOT NULL,
  secret_id TEXT COLLATE "C",
  container_id TEXT COLLATE "C",
  error_status TEXT COLLATE "C",
  error_reason TEXT COLLATE "C",
  passphrase BYTEA,
  passphrase_generation INTEGER,
  claimed_until TEXT COLLATE "C",
  created TEXT COLLATE "C" NOT NULL,
  updated TEXT COLLATE "C" NOT NULL
);
CREATE INDEX orders_by_age ON orders (project_id, created, id);
CREATE INDEX orders_pending ON orders (created) WHERE status = 'PENDING';

CREATE TABLE audit (
  chain TEXT COLLATE "C" NOT NULL,
  sequence BIGINT NOT NULL,
  line TEXT COLLATE "C" NOT NULL,
  mac BYTEA NOT NULL,
  PRIMARY KEY (chain, sequence)
);
