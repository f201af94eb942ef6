import assert from "node:assert/strict";
import { it } from "node:test";
import { tracksConsumers } from "../model/key-manager.ts";
import { rejectsWith, type Scene } from "./scene.ts";

const volume = {
  service: "volume",
  resourceType: "volume",
  resourceId: "0b5bb9f4-3c0e-4a39-9f4e-0c4a3a0e6d11",
};
const backup = { ...volume, resourceType: "backup" };

export function promisesOfConsumers(of: () => Scene): void {
  it("does not delete what a consumer needs, where it tracks consumers", async () => {
    const { manager, alice, prefix } = of();
    if (!tracksConsumers(manager)) return;
    const id = await manager.createKey(alice, {
      algorithm: "aes",
      bitLength: 256,
      name: `${prefix}needed`,
    });
    await manager.addConsumer(alice, id, volume);
    await manager.addConsumer(alice, id, volume);
    await manager.addConsumer(alice, id, backup);
    const types = (await manager.describe(alice, id)).consumers.map(
      (consumer) => consumer.resourceType,
    );
    assert.deepEqual(types.toSorted(), ["backup", "volume"]);
    await rejectsWith("in_use", manager.delete(alice, id));
    await manager.removeConsumer(alice, id, volume);
    await rejectsWith("in_use", manager.delete(alice, id));
    await rejectsWith("not_found", manager.removeConsumer(alice, id, volume));
    await manager.removeConsumer(alice, id, backup);
    assert.deepEqual((await manager.describe(alice, id)).consumers, []);
    await manager.delete(alice, id);
  });

  it("deletes what a consumer needs only by force, where it tracks consumers", async () => {
    const { manager, alice, prefix } = of();
    if (!tracksConsumers(manager)) return;
    const id = await manager.createKey(alice, {
      algorithm: "aes",
      bitLength: 256,
      name: `${prefix}forced`,
    });
    await manager.addConsumer(alice, id, volume);
    await manager.delete(alice, id, { force: true });
    await rejectsWith("not_found", manager.describe(alice, id));
  });
}
