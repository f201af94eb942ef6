import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { parentPort } from "node:worker_threads";
import type { KeyPairRecipe } from "./algorithms.ts";

/** What the thread is asked. */
export interface KeyPairRequest {
  readonly recipe: KeyPairRecipe;
  /** Encrypts the private key (AES-256-CBC) if given. */
  readonly passphrase?: string;
}

/** What it answers. */
export type KeyPairAnswer =
  | { readonly ok: true; readonly privateKey: Uint8Array; readonly publicKey: Uint8Array }
  | { readonly ok: false; readonly message: string };

/** PKCS#8 and SubjectPublicKeyInfo; PEM, but DER for DSA, as Barbican has it. */
export function generate({ recipe, passphrase }: KeyPairRequest): {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
} {
  const { privateKey, publicKey } = makePair(recipe);
  const cipher = passphrase === undefined ? {} : { cipher: "aes-256-cbc", passphrase };
  const format = recipe.algorithm === "dsa" ? ("der" as const) : ("pem" as const);
  // Node's types tell PEM from DER by literal types; both come as bytes here.
  const secret = privateKey.export({ type: "pkcs8", format: format as "pem", ...cipher });
  const open = publicKey.export({ type: "spki", format: format as "pem" });
  return { privateKey: Buffer.from(secret), publicKey: Buffer.from(open) };
}

function makePair(recipe: KeyPairRecipe): { privateKey: KeyObject; publicKey: KeyObject } {
  const { bitLength } = recipe;
  switch (recipe.algorithm) {
    case "rsa":
      return generateKeyPairSync("rsa", { modulusLength: bitLength, publicExponent: 65_537 });
    case "dsa":
      return generateKeyPairSync("dsa", {
        modulusLength: bitLength,
        divisorLength: bitLength === 1024 ? 160 : 256,
      });
    case "ec":
      return generateKeyPairSync("ec", { namedCurve: `P-${bitLength}` });
    case "ed25519":
      return generateKeyPairSync("ed25519");
  }
}

parentPort?.on("message", (request: KeyPairRequest) => {
  let answer: KeyPairAnswer;
  try {
    answer = { ok: true, ...generate(request) };
  } catch (error) {
    answer = { ok: false, message: error instanceof Error ? error.message : String(error) };
  }
  parentPort?.postMessage(answer);
});
