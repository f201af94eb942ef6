import { generateKeyPair, type KeyObject } from "node:crypto";
import { ignoredSignals } from "../model/ignored-signals.ts";
import type { KeyPairRecipe } from "./algorithms.ts";

/** What the process is asked. */
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
export async function generate({ recipe, passphrase }: KeyPairRequest): Promise<{
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}> {
  const { privateKey, publicKey } = await makePair(recipe);
  const cipher = passphrase === undefined ? {} : { cipher: "aes-256-cbc", passphrase };
  const format = recipe.algorithm === "dsa" ? ("der" as const) : ("pem" as const);
  // Node's types tell PEM from DER by literal types; both come as bytes here.
  const secret = privateKey.export({ type: "pkcs8", format: format as "pem", ...cipher });
  const open = publicKey.export({ type: "spki", format: format as "pem" });
  return { privateKey: Buffer.from(secret), publicKey: Buffer.from(open) };
}

type Pair = { readonly privateKey: KeyObject; readonly publicKey: KeyObject };

/** On the thread pool, so that signals and the end of the parent are noticed in the meantime. */
function makePair({ algorithm, bitLength }: KeyPairRecipe): Promise<Pair> {
  const { promise, resolve, reject } = Promise.withResolvers<Pair>();
  const done = (error: Error | null, publicKey: KeyObject, privateKey: KeyObject) =>
    error ? reject(error) : resolve({ privateKey, publicKey });
  switch (algorithm) {
    case "rsa":
      generateKeyPair("rsa", { modulusLength: bitLength, publicExponent: 65_537 }, done);
      break;
    case "dsa": {
      const divisorLength = bitLength === 1024 ? 160 : 256;
      generateKeyPair("dsa", { modulusLength: bitLength, divisorLength }, done);
      break;
    }
    case "ec":
      generateKeyPair("ec", { namedCurve: `P-${bitLength}` }, done);
      break;
    case "ed25519":
      generateKeyPair("ed25519", {}, done);
  }
  return promise;
}

/** What a whole group of processes gets, as from `systemctl kill`: the server decides what it means, and most mean nothing. */
const ofTheGroup = ["SIGHUP", "SIGINT", "SIGTERM", "SIGQUIT", ...ignoredSignals] as const;

/** Answers requests, and ends with the process that started it. */
function serve(): void {
  process.on("message", (request: KeyPairRequest) => {
    generate(request).then(
      (pair) => answer({ ok: true, ...pair }),
      (error: unknown) =>
        answer({ ok: false, message: error instanceof Error ? error.message : String(error) }),
    );
  });
  // Not by an exit, which would wait for the thread that looks for primes.
  process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
  for (const signal of ofTheGroup) process.on(signal, () => undefined);
}

function answer(message: KeyPairAnswer): void {
  process.send?.(message);
}

if (process.send) serve();
