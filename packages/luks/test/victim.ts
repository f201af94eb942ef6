/**
 * A process that runs one operation and kills itself with SIGKILL in the middle of its nth write: half of the bytes
 * reach the file. Arguments: operation, path, n.
 */
import { open } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { restoreHeader } from "../src/header/backup.ts";
import { addKeyslot, changePassphrase, killKeyslot } from "../src/header/keyslots.ts";
import { relabel } from "../src/header/maintain.ts";
import { addToken } from "../src/header/tokens.ts";
import { convertImage, decryptImage } from "../src/image/decrypt.ts";
import { encryptImage } from "../src/image/encrypt.ts";
import { reencryptImage } from "../src/image/reencrypt.ts";
import { resumeImage } from "../src/image/resume.ts";

const slot = (text: string) => ({
  passphrase: new TextEncoder().encode(text.repeat(16)),
  entropyBits: 128,
});
export const keys = { one: slot("1"), two: slot("2"), three: slot("3") };

/** Where the header that is to be restored lies. */
export function backupOf(path: string): string {
  return `${path}.backup`;
}

type Operation = (path: string) => Promise<unknown>;

export const headerOperations: Readonly<Record<string, Operation>> = {
  "add a slot": (path) => addKeyslot(path, keys.one.passphrase, keys.three),
  "change a slot": (path) => changePassphrase(path, keys.two.passphrase, keys.three),
  "kill a slot": (path) => killKeyslot(path, 1),
  "add a token": (path) => addToken(path, { type: "x", keyslots: ["0"] }),
  "restore a header": (path) => restoreHeader(path, backupOf(path)),
  "change the label": (path) => relabel(path, { label: "x" }),
};

const format = { version: 2, keyslots: [keys.one], dataOffset: 2 * 1024 * 1024 } as const;

export const imageOperations: Readonly<Record<string, Operation>> = {
  encrypt: (path) => encryptImage(path, { format }),
  decrypt: (path) => decryptImage(path, { passphrase: keys.one.passphrase }),
  reencrypt: (path) =>
    reencryptImage(path, { passphrase: keys.one.passphrase, keyslots: [keys.one] }),
  convert: (path) =>
    convertImage(path, {
      passphrase: keys.one.passphrase,
      format: { version: 1, keyslots: [keys.one], cipher: "aes-cbc-essiv:sha256" },
    }),
};

/** Of any of them, which can be killed as well. */
export const resumption = "resume";

const resume: Operation = (path) => resumeImage(path, { passphrase: keys.one.passphrase });

/** Every file handle's write, of every file. */
async function killAtWrite(victimWrite: number): Promise<void> {
  const probe = await open(fileURLToPath(import.meta.url), "r");
  const prototype = Object.getPrototypeOf(probe) as {
    write: (this: unknown, bytes: Uint8Array, ...rest: number[]) => Promise<unknown>;
  };
  await probe.close();
  const { write } = prototype;
  let writes = 0;
  prototype.write = async function (
    bytes,
    offset = 0,
    length = bytes.length - offset,
    position = 0,
  ) {
    if (writes++ < victimWrite) return write.call(this, bytes, offset, length, position);
    await write.call(this, bytes, offset, Math.floor(length / 2), position);
    process.kill(process.pid, "SIGKILL");
    return new Promise(() => {});
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , name = "", path = "", victimWrite = ""] = process.argv;
  await killAtWrite(Number(victimWrite));
  const operations: Readonly<Record<string, Operation>> = {
    ...headerOperations,
    ...imageOperations,
    [resumption]: resume,
  };
  await operations[name]?.(path);
}
