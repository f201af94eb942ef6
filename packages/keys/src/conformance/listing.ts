import assert from "node:assert/strict";
import { it } from "node:test";
import type { ObjectId } from "../model/managed-object.ts";
import { SecretBytes } from "../model/secret-bytes.ts";
import type { Scene } from "./scene.ts";

/** More than any backend's page. */
const manyObjects = 105;

export function promisesOfListing(of: () => Scene): void {
  it("lists all objects, however many, in creation order and each once", async () => {
    const { manager, alice, prefix } = of();
    const value = SecretBytes.random(8);
    const stored = new Set<ObjectId>();
    for (let made = 0; made < manyObjects; made += 15) {
      const names = Array.from({ length: 15 }, (_, index) => `${prefix}many-${made + index}`);
      const ids = await Promise.all(
        names.map((name) => manager.store(alice, { type: "opaque", name, value })),
      );
      for (const id of ids) stored.add(id);
    }
    const listed = (await Array.fromAsync(manager.list(alice))).filter((info) =>
      stored.has(info.id),
    );
    assert.equal(listed.length, manyObjects);
    assert.equal(new Set(listed.map((info) => info.id)).size, manyObjects);
    const times = listed.map((info) => info.created.getTime());
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    );
    await Promise.all([...stored].map((id) => manager.delete(alice, id)));
  });

  it("misses no object while others are deleted", async () => {
    const { manager, alice, prefix } = of();
    const value = SecretBytes.random(8);
    const store = (name: string) =>
      manager.store(alice, { type: "opaque", name: `${prefix}${name}`, value });
    const early = await Promise.all(
      Array.from({ length: 5 }, (_, index) => store(`early-${index}`)),
    );
    const late = await Promise.all(Array.from({ length: 5 }, (_, index) => store(`late-${index}`)));
    const seen: ObjectId[] = [];
    for await (const info of manager.list(alice)) {
      if (info.id === early[0]) for (const id of early) await manager.delete(alice, id);
      seen.push(info.id);
    }
    assert.deepEqual(
      late.filter((id) => !seen.includes(id)),
      [],
    );
    for (const id of late) await manager.delete(alice, id);
  });

  it("lists by type and by exact name", async () => {
    const { manager, alice, prefix } = of();
    const value = SecretBytes.random(32);
    const names = ["filter_1", "filterX1", "FILTER_1", "filter%", "filter+1 2"].map(
      (name) => prefix + name,
    );
    const ids = new Map<string, ObjectId>();
    for (const name of names)
      ids.set(name, await manager.store(alice, { type: "opaque", name, value }));
    const key = await manager.store(alice, {
      type: "symmetric",
      algorithm: "aes",
      name: names[0],
      value,
    });
    for (const name of names) {
      const found = await Array.fromAsync(manager.list(alice, { name, type: "opaque" }));
      assert.deepEqual(
        found.map((info) => info.id),
        [ids.get(name)],
        name,
      );
    }
    const both = await Array.fromAsync(manager.list(alice, { name: names[0] }));
    assert.deepEqual(new Set(both.map((info) => info.id)), new Set([ids.get(names[0] ?? ""), key]));
    for (const id of [...ids.values(), key]) await manager.delete(alice, id);
  });
}
