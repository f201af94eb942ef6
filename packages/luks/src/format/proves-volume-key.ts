import { timingSafeEqual } from "node:crypto";
import { hashNameOf } from "../crypto/hashes.ts";
import { deriveKey, type KdfLimits } from "../crypto/kdf.ts";
import type { VolumeKey } from "../crypto/volume-key.ts";
import { LuksError } from "../errors.ts";
import type { CheckedDigest } from "./checked-header.ts";

/**
 * Whether a digest, such as one that was noted before a re-encryption, is of this volume key.
 *
 * @throws `too_costly`; `unsupported` for a digest that no checked header has
 */
export async function provesVolumeKey(
  { hash: name, iterations, salt, value }: CheckedDigest,
  volumeKey: VolumeKey,
  limits: KdfLimits = {},
): Promise<boolean> {
  const hash = hashNameOf(name);
  if (!hash) {
    throw new LuksError("unsupported", "prove volume key: the digest has an unknown hash");
  }
  const expected = Buffer.from(value, "hex");
  const spec = { type: "pbkdf2", hash, iterations } as const;
  const actual = await volumeKey.use((bytes) =>
    deriveKey(spec, bytes, Buffer.from(salt, "hex"), expected.length, limits),
  );
  return timingSafeEqual(actual, expected);
}
