import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AuditTrail, type AuditTrailOptions } from "../src/audit/audit-trail.ts";
import { parseAuditLine } from "../src/model/audit-entry.ts";
import { systemClock } from "../src/model/clock.ts";
import { ServerError } from "../src/model/server-error.ts";
import { type Store } from "../src/store/store.ts";

const alice = { userId: "alice", projectId: "p", roles: ["member"], requestId: "req-1" };

/** A trail that gathers until it is told to write, on a record that can be away. */
function trailOn(options: Partial<AuditTrailOptions> = {}) {
  const record = { away: false, written: [] as string[][] };
  const store: Pick<Store, "record"> = {
    async record(lines: string) {
      if (record.away) throw new ServerError("unavailable", "database: away");
      record.written.push(lines.split("\n").map((line) => parseAuditLine(line).objectId ?? ""));
    },
  };
  const clock = systemClock();
  const trail = new AuditTrail({ store: store as Store, clock, gatherMs: 60_000, ...options });
  const read = (id: string) => trail.read(trail.entry(alice, "secret:decrypt", id));
  return { trail, record, read };
}

describe("the trail of payload reads", () => {
  it("is written together, in order", async () => {
    const { trail, record, read } = trailOn();
    for (const id of ["a", "b", "c"]) await read(id);
    assert.deepEqual([trail.pending, record.written], [3, []]);
    await trail.flush();
    await read("d");
    await trail.flush();
    await trail.flush();
    assert.deepEqual([trail.pending, record.written], [0, [["a", "b", "c"], ["d"]]]);
  });

  it("may be long, and of any characters", async () => {
    const { trail, record, read } = trailOn();
    const ids = Array.from({ length: 2_000 }, (_, n) => `${n} grüß 🔑 \n`.repeat(1 + (n % 9)));
    for (const id of ids) await read(id);
    await trail.flush();
    assert.deepEqual(record.written, [ids]);
  });

  it("is written by itself, soon", async () => {
    const { record, read } = trailOn({ gatherMs: 1 });
    await read("a");
    while (record.written.length === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(record.written, [["a"]]);
  });

  it("lets no payload leave while it cannot be written", async () => {
    const { trail, record, read } = trailOn();
    record.away = true;
    await read("a");
    await trail.flush();
    await assert.rejects(() => read("b"), { code: "unavailable" });
    await assert.rejects(() => read("c"), { code: "unavailable" });
    record.away = false;
    await read("d");
    await read("e");
    await trail.flush();
    assert.deepEqual(record.written, [["d"], ["e"]]);
  });

  it("waits for the disk when asked to, and when too much is outstanding", async () => {
    const durable = trailOn({ durableReads: true });
    await durable.read("a");
    assert.deepEqual(durable.record.written, [["a"]]);
    const bounded = trailOn({ maxPending: 2 });
    for (const id of ["a", "b", "c"]) await bounded.read(id);
    assert.deepEqual(bounded.record.written, [["c"]]);
    await bounded.trail.flush();
    assert.deepEqual(bounded.record.written, [["c"], ["a", "b"]]);
  });
});
