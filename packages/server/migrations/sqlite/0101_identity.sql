-- Built-in identity. Ids are 32 hex digits. Empty while the server is used with a Keystone.

CREATE TABLE identity_users (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  password_hash TEXT NOT NULL,
  enabled INTEGER NOT NULL,
  created TEXT NOT NULL
);

CREATE TABLE identity_projects (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  enabled INTEGER NOT NULL,
  created TEXT NOT NULL
);

CREATE TABLE identity_assignments (
  user_id TEXT NOT NULL REFERENCES identity_users (id) ON DELETE CASCADE,
  project_id TEXT NOT NULL REFERENCES identity_projects (id) ON DELETE CASCADE,
  role TEXT NOT NULL,
  PRIMARY KEY (user_id, project_id, role)
) WITHOUT ROWID;
CREATE INDEX identity_assignments_by_project ON identity_assignments (project_id);

-- `roles` and `access_rules` are JSON.
CREATE TABLE identity_application_credentials (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES identity_users (id) ON DELETE CASCADE,
  project_id TEXT NOT NULL REFERENCES identity_projects (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  secret_hash TEXT NOT NULL,
  roles TEXT NOT NULL,
  unrestricted INTEGER NOT NULL,
  access_rules TEXT,
  expires TEXT,
  created TEXT NOT NULL,
  UNIQUE (user_id, name)
);
CREATE INDEX identity_application_credentials_by_project
  ON identity_application_credentials (project_id);

-- `hash` is the SHA-256 of the token. `methods` and `audit_ids` are JSON.
CREATE TABLE identity_tokens (
  hash TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES identity_users (id) ON DELETE CASCADE,
  project_id TEXT REFERENCES identity_projects (id) ON DELETE CASCADE,
  application_credential_id TEXT
    REFERENCES identity_application_credentials (id) ON DELETE CASCADE,
  methods TEXT NOT NULL,
  audit_ids TEXT NOT NULL,
  issued TEXT NOT NULL,
  expires TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX identity_tokens_by_user ON identity_tokens (user_id);
CREATE INDEX identity_tokens_by_project ON identity_tokens (project_id)
  WHERE project_id IS NOT NULL;
CREATE INDEX identity_tokens_by_credential ON identity_tokens (application_credential_id)
  WHERE application_credential_id IS NOT NULL;
CREATE INDEX identity_tokens_by_expiry ON identity_tokens (expires);
