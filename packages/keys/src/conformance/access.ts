import assert from "node:assert/strict";
import { it } from "node:test";
import { grantsAccess } from "../model/key-manager.ts";
import { rejectsWith, type Scene } from "./scene.ts";

const hidden = ["forbidden", "not_found"] as const;

export function promisesOfAccess(of: () => Scene): void {
  it("keeps projects apart", async () => {
    const { manager, alice, bob, prefix } = of();
    const id = await manager.createKey(alice, {
      algorithm: "aes",
      bitLength: 256,
      name: `${prefix}private`,
    });
    await rejectsWith(hidden, manager.get(bob, id));
    await rejectsWith(hidden, manager.describe(bob, id));
    await rejectsWith(hidden, manager.copy(bob, id));
    await rejectsWith(hidden, manager.delete(bob, id));
    const listed = await Array.fromAsync(manager.list(bob));
    assert.ok(!listed.some((info) => info.id === id));
    assert.equal((await manager.get(alice, id)).value.length, 32);
    await manager.delete(alice, id);
  });

  it("says what it is called and where it keeps each project's objects", async () => {
    const { manager, alice, bob } = of();
    assert.match(manager.backend, /^[a-z][a-z0-9-]*$/);
    const place = await manager.location(alice);
    assert.ok(place.length > 0);
    assert.equal(await manager.location(alice), place);
    assert.notEqual(await manager.location(bob), place);
  });

  it("lets a granted user of another project read, and nothing else, where it has grants", async () => {
    const { manager, alice, bob, bobUserId, prefix } = of();
    if (!grantsAccess(manager) || bobUserId === undefined) return;
    const id = await manager.createKey(alice, {
      algorithm: "aes",
      bitLength: 256,
      name: `${prefix}granted`,
    });
    assert.deepEqual(await manager.readAccess(alice, id), { projectAccess: true, userIds: [] });
    await manager.setReadAccess(alice, id, { projectAccess: false, userIds: [bobUserId] });
    assert.deepEqual(await manager.readAccess(alice, id), {
      projectAccess: false,
      userIds: [bobUserId],
    });
    assert.ok((await manager.get(bob, id)).value.equals((await manager.get(alice, id)).value));
    await rejectsWith(hidden, manager.delete(bob, id));
    await manager.setReadAccess(alice, id, { projectAccess: true, userIds: [] });
    await rejectsWith(hidden, manager.get(bob, id));
    await manager.delete(alice, id);
  });

  it("copies who may read along, where it has grants", async () => {
    const { manager, alice, bobUserId, prefix } = of();
    if (!grantsAccess(manager) || bobUserId === undefined) return;
    const id = await manager.createKey(alice, {
      algorithm: "aes",
      bitLength: 256,
      name: `${prefix}shared`,
    });
    const access = { projectAccess: false, userIds: [bobUserId] };
    await manager.setReadAccess(alice, id, access);
    const copied = await manager.copy(alice, id);
    assert.deepEqual(await manager.readAccess(alice, copied), access);
    for (const made of [id, copied]) await manager.delete(alice, made);
  });
}
