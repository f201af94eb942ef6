/**
 * Moves volumes to another key manager: copies every key there, then gives each disk a key that only the new one has
 * ever seen. Both steps may be killed and repeated.
 *
 *     node move-volumes.ts OLD_CLOUD NEW_CLOUD FOLDER DISK…
 */
import { join } from "node:path";
import { openKeyManager, settingsFromEnvironment } from "@chatelaine/keys";
import { migrateKeys } from "@chatelaine/keys/migration";
import { adoptVolume, inspectVolume, openLedger } from "@chatelaine/volumes";

const [oldCloud, newCloud, folder = ".", ...disks] = process.argv.slice(2);
const [source, target] = [oldCloud, newCloud].map((cloud) => {
  const { caller, ...barbican } = settingsFromEnvironment({ ...process.env, OS_CLOUD: cloud });
  return { keyManager: openKeyManager({ barbican }), caller };
});
if (source === undefined || target === undefined) throw new Error("name two clouds");

const journal = join(folder, "migration.sqlite");
const { items } = await migrateKeys({ source, target, journal });
const failed = items.filter(({ outcome }) => outcome === "failed");
for (const { sourceId, reason } of failed) console.error(`${sourceId}: ${reason}`);
const copies = new Map(items.map(({ sourceId, targetId }) => [sourceId, targetId]));

const ledger = openLedger({ path: join(folder, "volumes.sqlite") });
for (const path of disks) {
  const copied = copies.get((await inspectVolume(path, ledger)).keyId);
  // A disk whose key is not among the source's has been moved by an earlier run.
  if (copied === undefined) continue;
  const { keyId } = await adoptVolume({ ...target, ledger }, path, { keyId: copied });
  console.log(`${path}: key ${keyId}`);
}
await ledger.close();
process.exitCode = failed.length === 0 ? 0 : 1;
