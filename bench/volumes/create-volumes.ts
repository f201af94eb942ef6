// `node create-volumes.ts COUNT`: makes volumes with keys of a key server of its own, on a disk that syncs, and says what
// each took. A program of its own, so that two commits can be compared.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BarbicanKeyManager } from "@chatelaine/keys";
import { createVolume, openLedger, verifyVolume } from "@chatelaine/volumes";
import { KeyServerProcess, ServerFolder } from "../../interop/server/key-server.ts";
import { makeTenants } from "../../interop/server/tenants.ts";
import { timed } from "./timed-key-manager.ts";

/** Milliseconds, one of each volume. */
export interface Created {
  readonly create: readonly number[];
  /** Of a creation, what the calls to the key manager took. */
  readonly createKeys: readonly number[];
  /** How long a process that opens a volume waits for the key manager. */
  readonly attachKeys: readonly number[];
}

const warmUps = 5;
const sizeBytes = 1024 * 1024;
const count = Number(process.argv[2]);

const folder = mkdtempSync(join(tmpdir(), "bench-volumes-"));
const serverFolder = new ServerFolder();
const server = await KeyServerProcess.start(serverFolder);
const ledger = openLedger({ path: join(folder, "ledger.sqlite") });
try {
  const { bench } = await makeTenants(server.url, serverFolder.adminPassword(), ["bench"]);
  const clock = timed(new BarbicanKeyManager({ endpoint: server.url }));
  const context = { keyManager: clock.keyManager, caller: bench.caller, ledger };
  const create: number[] = [];
  const createKeys: number[] = [];
  const attachKeys: number[] = [];
  for (let index = -warmUps; index < count; index++) {
    const path = join(folder, `disk${index}.img`);
    clock.take();
    const began = performance.now();
    await createVolume(context, { path, sizeBytes });
    const ms = performance.now() - began;
    const createShare = clock.take();
    // Asks the key manager for what opening asks, and leaves out the kernel, which this host may not have.
    await verifyVolume(context, path);
    const attachShare = clock.take();
    if (index < 0) continue;
    create.push(ms);
    createKeys.push(createShare);
    attachKeys.push(attachShare);
  }
  console.log(`report: ${JSON.stringify({ create, createKeys, attachKeys } satisfies Created)}`);
} finally {
  await ledger.close();
  await server.stop();
  serverFolder.remove();
  rmSync(folder, { recursive: true, force: true });
}
