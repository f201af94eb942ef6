import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { type Caller, MemoryKeyManager, SecretBytes } from "@chatelaine/keys";
import {
  closeVolume,
  importVolume,
  openLedger,
  openVolume,
  openVolumes,
  resizeVolume,
  type VolumeContext,
} from "@chatelaine/volumes";
import { readAt, writeAt } from "./forged-header.ts";

const passphrase = "ab".repeat(32);
const pbkdf2 = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
const aesSlots = ["--keyslot-cipher", "aes-xts-plain64", "--keyslot-key-size", "512"];

/** How cryptsetup formats a disk, and what it does to it then. */
const forms: readonly (readonly [string, readonly string[], readonly (readonly string[])[]])[] = [
  ["LUKS2", ["--type", "luks2"], []],
  [
    "LUKS1 in CBC with ESSIV",
    ["--type", "luks1", "--cipher", "aes-cbc-essiv:sha256", "--key-size", "256"],
    [],
  ],
  [
    "LUKS2 with 4,096-byte sectors and AES-128",
    ["--type", "luks2", "--sector-size", "4096", "--key-size", "256"],
    [],
  ],
  [
    "LUKS2 with Serpent, which only the kernel maps",
    ["--type", "luks2", "--cipher", "serpent-xts-plain64", ...aesSlots],
    [],
  ],
  [
    "LUKS2 with integrity",
    ["--type", "luks2", "--integrity", "hmac-sha256", "--integrity-no-wipe"],
    [],
  ],
  [
    "LUKS2 with persistent flags",
    ["--type", "luks2"],
    [["refresh", "--persistent", "--allow-discards", "forms"]],
  ],
  [
    "LUKS2 with an unbound slot",
    ["--type", "luks2"],
    [["luksAddKey", "--unbound", "--key-size", "512"]],
  ],
];

/** Opens each form of an honest disk in our ways and in cryptsetup's, in turns. @returns what was opened */
export async function openHonestDisks(device: string, folder: string): Promise<readonly string[]> {
  const opened: string[] = [];
  for (const [index, [form, format, changes]] of forms.entries()) {
    writeAt(device, 0, Buffer.alloc(1 << 20));
    cryptsetup(["luksFormat", "--batch-mode", ...pbkdf2, ...format, device]);
    for (const change of changes) applyChange(device, change);
    const volumes = newContext(join(folder, `honest-${index}.sqlite`));
    const value = new SecretBytes(Buffer.from(passphrase, "hex"));
    const key = { type: "symmetric", algorithm: "aes", bitLength: 256, value } as const;
    const keyId = await volumes.keyManager.store(volumes.caller, key);
    await importVolume(volumes, device, keyId);
    const { name, device: mapped } = await openVolume(volumes, device, "forms");
    writeAt(mapped, 0, Buffer.from(`${form}, by us`.padEnd(4096)));
    await closeVolume(name);
    cryptsetup(["open", device, "forms"]);
    assert.equal(readAt(mapped, 0, 4096).toString().trim(), `${form}, by us`);
    writeAt(mapped, 0, Buffer.from(`${form}, by cryptsetup`.padEnd(4096)));
    cryptsetup(["close", "forms"]);
    const [result] = await openVolumes(volumes, [device]);
    assert.ok(result?.opened, result?.problem ?? form);
    const text = readAt(result.opened.device, 0, 4096).toString().trim();
    assert.equal(text, `${form}, by cryptsetup`);
    if (!form.includes("integrity")) assert.ok((await resizeVolume(volumes, device)).isOpen);
    // What cryptsetup says of the mapping is that of its own.
    const status = cryptsetup(["status", result.opened.name]);
    assert.match(status, form.startsWith("LUKS1") ? /type: +LUKS1/ : /type: +LUKS2/);
    if (form.includes("flags")) assert.match(status, /discards/);
    await closeVolume(result.opened.name);
    await volumes.ledger.close();
    opened.push(form);
  }
  return opened;
}

function applyChange(device: string, [command = "", ...words]: readonly string[]): void {
  if (command === "luksAddKey") {
    const key = join("/run", "unbound");
    writeAtNew(key);
    const input = ["--batch-mode", ...pbkdf2, "--key-file=-", device, key];
    execFileSync("cryptsetup", [command, ...words, ...input], { input: passphrase });
    return;
  }
  cryptsetup(["open", device, "forms"]);
  cryptsetup([command, ...words]);
  cryptsetup(["close", "forms"]);
}

function writeAtNew(path: string): void {
  execFileSync("sh", ["-c", `head -c 32 /dev/urandom >${path}`]);
}

function newContext(path: string): VolumeContext {
  const caller: Caller = { type: "project", projectId: "a", userId: "alice" };
  const keyManager = new MemoryKeyManager({ warn: () => undefined });
  return { keyManager, caller, ledger: openLedger({ path }) };
}

function cryptsetup(words: readonly string[]): string {
  const [command = "", ...more] = words;
  const opens = ["luksFormat", "open", "refresh"].includes(command);
  const all = opens ? [command, "--key-file=-", ...more] : words;
  return execFileSync("cryptsetup", all, { input: opens ? passphrase : "", encoding: "utf8" });
}
