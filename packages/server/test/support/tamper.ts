import { operation, run } from "../../src/store/operation.ts";

/** What someone can do who writes the database, and not through the server. */
export const tamper = operation(
  import.meta.url,
  "tamper",
  function* (p: { readonly sql: string; readonly args: readonly string[] }) {
    yield* run(p.sql, ...p.args);
  },
);

/** What someone can do who also has the key of the old format. */
export const insertEntry = operation(
  import.meta.url,
  "insertEntry",
  function* (p: {
    readonly chain: string;
    readonly sequence: number;
    readonly line: string;
    readonly mac: Uint8Array;
  }) {
    yield* run(
      "INSERT INTO audit (chain, sequence, line, mac) VALUES (?, ?, ?, ?)",
      p.chain,
      p.sequence,
      p.line,
      p.mac,
    );
  },
);

/** Gives an order another tag. */
export const putTag = operation(
  import.meta.url,
  "putTag",
  function* (p: { readonly id: string; readonly tag: Uint8Array }) {
    yield* run("UPDATE orders SET tag = ? WHERE id = ?", p.tag, p.id);
  },
);
