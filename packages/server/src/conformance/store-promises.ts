import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { AuditChain } from "../audit/chain/audit-chain.ts";
import { type AuditEntry, auditLine } from "../model/audit-entry.ts";
import { all, one, operation, run } from "../store/operation.ts";
import type { Store } from "../store/store.ts";

/** Adds a quota row; refuses if `refuse`, throws if `fail`. */
export const addQuota = operation(
  import.meta.url,
  "addQuota",
  function* (p: { readonly project: string; readonly refuse?: boolean; readonly fail?: boolean }) {
    yield* run("INSERT INTO project_quotas (project_id, secrets) VALUES (?, ?)", p.project, 1);
    if (p.refuse) return { refused: "told_to" };
    if (p.fail) throw new Error("told to fail");
    return {};
  },
);

export const countQuotas = operation(import.meta.url, "countQuotas", function* () {
  const row = yield* one<{ n: number }>(
    "SELECT CAST(COUNT(*) AS INTEGER) AS n FROM project_quotas",
  );
  return row?.n;
});

export const readAudit = operation(import.meta.url, "readAudit", function* () {
  return yield* all<{ chain: string; sequence: number; line: string; mac: Uint8Array }>(
    "SELECT chain, sequence, line, mac FROM audit ORDER BY chain, sequence",
  );
});

export const keepBlob = operation(
  import.meta.url,
  "keepBlob",
  function* (p: { readonly name: string; readonly bytes: Uint8Array }) {
    yield* run(
      "INSERT INTO root_keys (id, check_value, created) VALUES (?, ?, ?)",
      p.bytes.length,
      p.bytes,
      p.name,
    );
    return yield* one<{ check_value: Uint8Array; created: string }>(
      "SELECT check_value, created FROM root_keys WHERE id = ?",
      p.bytes.length,
    );
  },
);

const key = new Uint8Array(32).fill(5);
const entry = (action: string): AuditEntry => ({
  at: "2026-01-01T00:00:00.000000",
  requestId: "req-1",
  userId: "u",
  projectId: "p",
  action,
  outcome: "ok",
});

/** What every store promises to those who build on it. */
export function keepsTheStorePromises(
  name: string,
  open: (t: TestContext) => Promise<Store>,
): void {
  describe(`${name} keeps the store's promises`, () => {
    it("shows what it has acknowledged, to many at once", async (t) => {
      const store = await open(t);
      await Promise.all(
        Array.from({ length: 200 }, async (_, n) => {
          await store.write(addQuota, { project: `p${n}` });
        }),
      );
      assert.equal(await store.read(countQuotas, null), 200);
    });

    it("undoes an operation that is refused or fails, and not its neighbours", async (t) => {
      const store = await open(t);
      const results = await Promise.allSettled([
        store.write(addQuota, { project: "a" }),
        store.write(addQuota, { project: "b", refuse: true }),
        store.write(addQuota, { project: "c", fail: true }),
        store.write(addQuota, { project: "a" }),
        store.write(addQuota, { project: "d" }),
      ]);
      assert.deepEqual(
        results.map(({ status }) => status),
        ["fulfilled", "fulfilled", "rejected", "rejected", "fulfilled"],
      );
      assert.equal(await store.read(countQuotas, null), 2);
    });

    it("keeps bytes and texts as they are", async (t) => {
      const store = await open(t);
      const bytes = Uint8Array.from({ length: 256 }, (_, n) => n);
      const row = await store.write(keepBlob, { name: "grüß 🔑", bytes });
      assert.deepEqual(Uint8Array.from(row?.check_value ?? []), bytes);
      assert.equal(row?.created, "grüß 🔑");
    });

    it("chains the audit entries, with the outcome of each, and leaves out what failed", async (t) => {
      const store = await open(t);
      await store.startAudit(key);
      await store.write(addQuota, { project: "a" }, entry("one"));
      await store.write(addQuota, { project: "b", refuse: true }, entry("two"));
      await assert.rejects(store.write(addQuota, { project: "c", fail: true }, entry("three")));
      const [four, five, six] = ["four", "five", "six"].map((action) => auditLine(entry(action)));
      await Promise.all([store.record(`${four}\n${five}`), store.record(six ?? "")]);
      const rows = await store.read(readAudit, null);
      assert.deepEqual(
        rows
          .map(({ line }) => JSON.parse(line) as string[])
          .map((line) => `${line[4]} ${line[6]}`)
          .toSorted(),
        ["five ok", "four ok", "one ok", "six ok", "two told_to"],
      );
      for (const [chainName, chain] of Map.groupBy(rows, (row) => row.chain)) {
        const check = new AuditChain(key, chainName);
        for (const [index, row] of chain.entries()) {
          assert.equal(row.sequence, index + 1);
          assert.deepEqual(Uint8Array.from(check.add(row.line)), Uint8Array.from(row.mac));
        }
      }
    });

    it("answers a ping, and nothing once it is closed", async (t) => {
      const store = await open(t);
      await store.ping();
      const last = store.write(addQuota, { project: "last" });
      await store.close();
      await last;
      await assert.rejects(store.ping());
      await assert.rejects(store.write(addQuota, { project: "late" }));
      await assert.rejects(store.read(countQuotas, null));
    });
  });
}
