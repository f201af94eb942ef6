import { randomFillSync, timingSafeEqual } from "node:crypto";
import { hashNameOf } from "../crypto/hashes.ts";
import { deriveKey, type KdfLimits, minimalKdf } from "../crypto/kdf.ts";
import { LuksError } from "../errors.ts";
import type { Luks2Digest, Luks2Metadata } from "./metadata.ts";

/**
 * Proves a volume key without holding it (LUKS2 On-Disk Format, section 3.4). A volume key is random,
 * so 1,000 iterations are as good as a million.
 */
export async function makeDigest(
  volumeKey: Uint8Array,
  keyslots: readonly string[],
  segments: readonly string[],
): Promise<Luks2Digest> {
  const salt = randomFillSync(new Uint8Array(32));
  const digest = await deriveKey(minimalKdf, volumeKey, salt, 32);
  return {
    type: "pbkdf2",
    keyslots,
    segments,
    hash: "sha256",
    iterations: 1000,
    salt: Buffer.from(salt).toString("base64"),
    digest: Buffer.from(digest).toString("base64"),
  };
}

/** The digest that a slot's key must meet, with its number. */
export function digestOfKeyslot(
  metadata: Luks2Metadata,
  keyslot: string,
): readonly [string, Luks2Digest] | undefined {
  return Object.entries(metadata.digests).find(
    ([, digest]) => digest.type === "pbkdf2" && digest.keyslots.includes(keyslot),
  );
}

/** @throws `unsupported` for a hash that we do not know, `too_costly` */
export async function meetsDigest(
  volumeKey: Uint8Array,
  digest: Luks2Digest,
  limits: KdfLimits = {},
): Promise<boolean> {
  const expected = Buffer.from(digest.digest, "base64");
  const hash = hashNameOf(digest.hash);
  if (!hash) {
    throw new LuksError("unsupported", "prove volume key: the digest has an unknown hash");
  }
  const salt = Buffer.from(digest.salt, "base64");
  const spec = { type: "pbkdf2", hash, iterations: digest.iterations } as const;
  const actual = await deriveKey(spec, volumeKey, salt, expected.length, limits);
  return timingSafeEqual(actual, expected);
}
