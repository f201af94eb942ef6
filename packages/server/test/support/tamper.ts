import { operation, run } from "../../src/store/operation.ts";

/** What someone can do who writes the database, and not through the server. */
export const tamper = operation(
  import.meta.url,
  "tamper",
  function* (p: { readonly sql: string; readonly args: readonly string[] }) {
    yield* run(p.sql, ...p.args);
  },
);
