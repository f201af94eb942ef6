-- Every row from which something is answered or decided carries a tag: a MAC over its table and columns, see
-- tagged-tables.ts. Null until the row is tagged; a row without a tag is refused from then on.
-- In secrets and containers `tag` was a MAC over who owns the object, under the project's key `tag_generation`;
-- `tag_generation` is 0 where the tag is the row's.

ALTER TABLE project_quotas ADD COLUMN tag BYTEA;
ALTER TABLE secret_metadata ADD COLUMN tag BYTEA;
ALTER TABLE secret_consumers ADD COLUMN tag BYTEA;
ALTER TABLE container_consumers ADD COLUMN tag BYTEA;
ALTER TABLE orders ADD COLUMN tag BYTEA;
