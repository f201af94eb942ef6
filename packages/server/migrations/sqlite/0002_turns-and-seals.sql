-- An upper bound on how many payloads a key has sealed: processes reserve blocks of seals before they use them.
-- Nobody counted what older keys sealed, so they count as used up, and the next seal starts a new generation.
ALTER TABLE project_keys ADD COLUMN seals INTEGER NOT NULL DEFAULT 1073741824;
-- 1 if a rotation made the key. All older keys are then on their way out.
ALTER TABLE project_keys ADD COLUMN rotation INTEGER NOT NULL DEFAULT 0;

-- When each project last had an order carried out: the lowest turn is next.
CREATE TABLE order_turns (
  project_id TEXT PRIMARY KEY,
  turn INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX order_turns_by_turn ON order_turns (turn);

DROP INDEX orders_pending;
CREATE INDEX orders_pending ON orders (project_id, created, id) WHERE status = 'PENDING';
