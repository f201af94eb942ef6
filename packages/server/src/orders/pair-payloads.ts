import type { KeyPair } from "./key-pair-generator.ts";

/** One secret of a key pair's container. */
export interface PairPart {
  /** Its name in the container. */
  readonly member: "private_key" | "public_key" | "private_key_passphrase";
  readonly secretType: "private" | "public" | "passphrase";
  readonly bytes: Uint8Array;
}

/** The secrets that a key pair becomes. */
export function payloadOfPair(pair: KeyPair, passphrase: string | undefined): readonly PairPart[] {
  const parts: PairPart[] = [
    { member: "private_key", secretType: "private", bytes: pair.privateKey },
    { member: "public_key", secretType: "public", bytes: pair.publicKey },
  ];
  if (passphrase !== undefined)
    parts.push({
      member: "private_key_passphrase",
      secretType: "passphrase",
      bytes: Buffer.from(passphrase),
    });
  return parts;
}
