import { createHash } from "node:crypto";

/** A statement as PostgreSQL takes it. */
export interface PostgresText {
  readonly text: string;
  /** Under which a connection keeps it prepared; undefined once there are too many to keep. */
  readonly name?: string;
  /**
   * True if it changes exactly one row whenever it does not fail, so that the
   * next statement can be sent without waiting for this one.
   */
  readonly changesOne: boolean;
}

/** Lists compose their filters into SQL, so the number of texts is large, though finite. */
const maxPrepared = 500;

/** Turns the store's SQL into PostgreSQL's, each text once. */
export class StatementTexts {
  readonly #texts = new Map<string, PostgresText>();

  of(sql: string): PostgresText {
    const known = this.#texts.get(sql);
    if (known) return known;
    const text = toPostgres(sql);
    const changesOne = alwaysChangesOne(text);
    if (this.#texts.size >= maxPrepared) return { text, changesOne };
    const made = { text, changesOne, name: nameOf(text) };
    this.#texts.set(sql, made);
    return made;
  }
}

/** `?` becomes `$1 …`, and what only PostgreSQL reads comes out of its comment, which begins with `pg`. */
export function toPostgres(sql: string): string {
  let place = 0;
  return sql
    .replaceAll(/\/\*pg\s(.*?)\*\//gs, (_, only: string) => only)
    .replaceAll("?", () => `$${++place}`);
}

function alwaysChangesOne(text: string): boolean {
  const insert = /^\s*INSERT\s+INTO\s+\w+\s*\([^)]*\)\s*VALUES\s*\(([\s\S]*)$/i.exec(text)?.[1];
  if (insert === undefined || /\bRETURNING\b|\)\s*,\s*\(|\bWHERE\b/i.test(insert)) return false;
  return !/\bON\s+CONFLICT\b/i.test(insert) || /\bDO\s+UPDATE\b/i.test(insert);
}

function nameOf(text: string): string {
  return `c${createHash("sha256").update(text).digest("base64url").slice(0, 20)}`;
}
