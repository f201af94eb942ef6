// A program of somebody who has installed the packages. The suite packages compiles it against the tarballs with
// strict settings, as Node.js and as bundlers find modules. It is never run.
import {
  type Caller,
  type ConsumerTracking,
  cloudFromFiles,
  type KeyManager,
  KeyManagerError,
  type KeyManagerErrorCode,
  keystoneCaller,
  type ManagedObject,
  type ObjectId,
  type ObjectInfo,
  objectId,
  openKeyManager,
  SecretBytes,
  settingsFromEnvironment,
  tracksConsumers,
} from "@chatelaine/keys";
import { BarbicanClient, type Secrets } from "@chatelaine/keys/barbican";
import { keepsTheKeyManagerPromises } from "@chatelaine/keys/conformance";
import { migrateKeys } from "@chatelaine/keys/migration";
import { encryptImage, LuksError, readLuks, withOpenDisk } from "@chatelaine/luks";
import { loadServerConfig, type RunningServer, startServer } from "@chatelaine/server";
import { diagnosed, ok } from "@chatelaine/server/diagnosis";
import { settingNames } from "@chatelaine/server/settings";
import {
  createVolume,
  openLedger,
  reconcile,
  rekeyVolume,
  type VolumeContext,
  VolumeError,
  withVolumeData,
} from "@chatelaine/volumes";
import { run } from "chatelaine";

/** Compiles if a value is of that type. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- it is necessary for the caller
function is<T>(_value: T): void {}

export async function keys(): Promise<void> {
  const { caller, ...barbican } = settingsFromEnvironment({});
  const manager = openKeyManager({ barbican });
  is<KeyManager>(manager);
  const id = await manager.createKey(caller, { algorithm: "aes", bitLength: 512, mode: "xts" });
  is<ObjectId>(id);
  const object = await manager.get(caller, id);
  if (object.type === "symmetric") is<"symmetric">(object.type);
  is<number>(object.value.use((bytes) => bytes.length));
  for await (const info of manager.list(caller, { type: "symmetric" })) is<ObjectInfo>(info);
  if (tracksConsumers(manager)) is<KeyManager & ConsumerTracking>(manager);
  const secrets: Secrets = new BarbicanClient(barbican).secrets;
  await secrets.list(caller);
  const value = SecretBytes.fromText("correct horse");
  const stored: ManagedObject = { type: "passphrase", value };
  await manager.store(caller, stored, { signal: AbortSignal.timeout(1) });
  const other: Caller = keystoneCaller({ authUrl: "https://x/v3", token: value });
  await manager.delete(other, objectId("2f1e0a52-6f0b-4d3e-8b7e-6f1f4b6f0d11"), { force: true });
  cloudFromFiles({ cloud: "x", workingDirectory: "/", homeDirectory: "/" });
  const side = { keyManager: manager, caller };
  await migrateKeys({ source: side, target: side, journal: "journal.sqlite" });
  keepsTheKeyManagerPromises("mine", async () => ({ manager, alice: caller, bob: other }));

  // @ts-expect-error a secret is no text
  await manager.store(caller, { type: "passphrase", value: "text" });
  // @ts-expect-error a call names its caller
  await manager.get(id);
  // @ts-expect-error an id is not any text
  await manager.get(caller, "2f1e0a52-6f0b-4d3e-8b7e-6f1f4b6f0d11");
  // @ts-expect-error there is no such backend
  openKeyManager({ backend: "barbicon" });
  // @ts-expect-error there is no such type
  manager.list(caller, { type: "symetric" });
  // @ts-expect-error what is known of an object is not for changing
  (await manager.describe(caller, id)).name = "other";
  // @ts-expect-error nobody adds consumers before asking whether there can be any
  await manager.addConsumer(caller, id, { service: "s", resourceType: "r", resourceId: "i" });
}

export function errors(error: unknown): string {
  if (error instanceof KeyManagerError) {
    is<KeyManagerErrorCode>(error.code);
    // @ts-expect-error no error has this code
    if (error.code === "not-found") return "misspelled";
    return error.retryable ? "again" : error.code;
  }
  if (error instanceof VolumeError || error instanceof LuksError) return error.code;
  return "another";
}

export async function volumes(keyManager: KeyManager, caller: Caller): Promise<void> {
  const ledger = openLedger({ path: "volumes.sqlite" });
  const context: VolumeContext = { keyManager, caller, ledger };
  const volume = await createVolume(context, { path: "disk.img", sizeBytes: 1 << 26 });
  is<ObjectId>(volume.keyId);
  is<number>(volume.openedSlot);
  await withVolumeData(context, volume.path, (disk) => disk.read(0, new Uint8Array(512)));
  is<ObjectId | undefined>((await rekeyVolume(context, volume.path)).oldKeyId);
  for (const finding of await reconcile(context, { apply: false })) is<string>(finding.type);

  // @ts-expect-error misspelled
  await createVolume(context, { path: "disk.img", sizeByte: 1 << 26 });
  // @ts-expect-error a size is in bytes
  await createVolume(context, { path: "disk.img", sizeBytes: "64M" });
  // @ts-expect-error sectors are 512, 1024, 2048 or 4096 bytes
  await createVolume(context, { path: "disk.img", sectorSize: 513 });
  // @ts-expect-error without a ledger nothing could be finished after a crash
  await createVolume({ keyManager, caller }, { path: "disk.img" });
}

export async function luks(passphrase: Uint8Array): Promise<void> {
  is<1 | 2>((await readLuks("disk.img")).version);
  const length = await withOpenDisk("disk.img", passphrase, async (disk) => disk.size);
  is<number>(length);
  // @ts-expect-error there is LUKS1 and LUKS2
  await encryptImage("disk.raw", { format: { version: 3, keyslots: [{ passphrase }] } });
  // @ts-expect-error what is for a device is not for an image
  await encryptImage("disk.raw", { format: { version: 2, keyslots: [], returnVolumeKey: true } });
}

export async function server(): Promise<void> {
  const config = loadServerConfig({ flags: { "--listen-port": "0" }, environment: {} });
  const running: RunningServer = await startServer(config);
  is<string>(running.url);
  await running.close();
  is<readonly string[]>(settingNames.map((name) => config.text(name) ?? ""));
  await diagnosed("mine", async () => ok("fine"));
  // @ts-expect-error there is no such setting
  config.text("listen.ports");
}

export function command(): Promise<number> {
  return run(["key", "list"], {
    out: () => {},
    error: () => {},
    columns: undefined,
    environment: {},
    workingDirectory: "/",
    homeDirectory: "/",
    temporaryDirectory: "/",
  });
}
