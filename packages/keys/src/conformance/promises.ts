import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Caller } from "../model/caller.ts";
import type { KeyManager } from "../model/key-manager.ts";
import { type ObjectInfo, objectId } from "../model/managed-object.ts";
import { SecretBytes } from "../model/secret-bytes.ts";
import { promisesOfAccess } from "./access.ts";
import { promisesOfConsumers } from "./consumers.ts";
import { promisesOfGeneration } from "./generation.ts";
import { promisesOfListing } from "./listing.ts";
import { rejectsWith, type Scene } from "./scene.ts";
import { promisesOfStorage } from "./storage.ts";

/** What the suite needs to know of a backend. */
export interface Setting {
  readonly manager: KeyManager;
  readonly alice: Caller;
  /** Of another project than Alice. */
  readonly bob: Caller;
  /** For grants. Undefined where the backend has none. */
  readonly bobUserId?: string | undefined;
  /** Called once at the end. */
  readonly close?: (() => Promise<void>) | undefined;
}

/**
 * What every backend promises, as a suite for `node --test`. A backend that
 * cannot keep a promise does not ship.
 *
 * Everything that a test makes bears a name with the run's own prefix and is
 * deleted again; other objects of Alice's project are left alone.
 */
export function keepsTheKeyManagerPromises(name: string, open: () => Promise<Setting>): void {
  describe(`${name} keeps the key manager's promises`, () => {
    const scene: Partial<Scene> = {};
    let close: Setting["close"];

    before(async () => {
      const { close: closing, ...setting } = await open();
      close = closing;
      Object.assign(scene, setting, { prefix: `conformance-${Date.now().toString(36)}-` });
    });

    after(async () => {
      if (scene.manager !== undefined) await deleteLeftovers(scene as Scene);
      await close?.();
    });

    const of = () => scene as Scene;
    promisesOfStorage(of);
    promisesOfGeneration(of);
    promisesOfListing(of);
    promisesOfDeletion(of);
    promisesOfConsumers(of);
    promisesOfAccess(of);
    promisesOfAbortion(of);
  });
}

function promisesOfDeletion(of: () => Scene): void {
  it("has no object any more once it is deleted", async () => {
    const { manager, alice, prefix } = of();
    const id = await manager.createKey(alice, {
      algorithm: "aes",
      bitLength: 256,
      name: `${prefix}gone`,
    });
    await manager.delete(alice, id);
    await rejectsWith("not_found", manager.get(alice, id));
    await rejectsWith("not_found", manager.describe(alice, id));
    await rejectsWith("not_found", manager.delete(alice, id));
  });

  it("tells an unknown id from a malformed one", async () => {
    const { manager, alice } = of();
    const unknown = objectId("5ce7ab30-5c1f-4a3b-9d56-0a1b2c3d4e5f");
    await rejectsWith("not_found", manager.get(alice, unknown));
    for (const malformed of ["", "../orders", "5CE7AB30-5C1F-4A3B-9D56-0A1B2C3D4E5F", "%2e%2e"]) {
      await rejectsWith("invalid_argument", manager.get(alice, malformed as typeof unknown));
      await rejectsWith("invalid_argument", manager.delete(alice, malformed as typeof unknown));
    }
  });
}

function promisesOfAbortion(of: () => Scene): void {
  it("makes nothing when the caller has aborted", async () => {
    const { manager, alice, prefix } = of();
    const signal = AbortSignal.abort();
    const name = `${prefix}aborted`;
    await rejectsWith(
      "unavailable",
      manager.createKey(
        alice,
        { algorithm: "aes", bitLength: 256, name, nameIsUnique: true },
        { signal },
      ),
    );
    const opaque = { type: "opaque", name, value: SecretBytes.random(8) } as const;
    await rejectsWith("unavailable", manager.store(alice, opaque, { signal }));
    assert.deepEqual(await Array.fromAsync(manager.list(alice, { name })), []);
  });
}

async function deleteLeftovers({ manager, alice, prefix }: Scene): Promise<void> {
  const mine: ObjectInfo[] = [];
  for await (const info of manager.list(alice)) if (info.name?.startsWith(prefix)) mine.push(info);
  for (const info of mine) await manager.delete(alice, info.id, { force: true });
}
