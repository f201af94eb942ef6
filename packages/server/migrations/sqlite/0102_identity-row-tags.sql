-- As in 0003: who may log in, and as whom, is decided from tagged rows only.

ALTER TABLE identity_users ADD COLUMN tag BLOB;
ALTER TABLE identity_projects ADD COLUMN tag BLOB;
ALTER TABLE identity_assignments ADD COLUMN tag BLOB;
ALTER TABLE identity_application_credentials ADD COLUMN tag BLOB;
ALTER TABLE identity_tokens ADD COLUMN tag BLOB;
