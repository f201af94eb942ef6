/** What an order may ask for, and what is made of it. */
export type Recipe = { readonly type: "key"; readonly bytes: number } | KeyPairRecipe;

export interface KeyPairRecipe {
  readonly type: "pair";
  readonly algorithm: "rsa" | "dsa" | "ec" | "ed25519";
  readonly bitLength: number;
  /** Of the container: only types that clients know, but for DSA, which Barbican names so. */
  readonly containerType: "rsa" | "dsa" | "generic";
}

/** Why an order ends in ERROR: a status, as text, and a reason for the caller. */
export interface Unfit {
  readonly type: "unfit";
  readonly status: string;
  readonly reason: string;
}

/**
 * Which orders get an AES key of 512 bits, the two halves of AES-256-XTS: `any`, or only those with the mode `xts`.
 */
export type Aes512 = "any" | "xts";

const symmetric = new Set(["aes", "des", "hmacsha1", "hmacsha256", "hmacsha384", "hmacsha512"]);
const plainSizes = [64, 128, 192, 256];
/** Both halves counted. */
const xtsSizes = [128, 256, 384, 512];
const pairSizes = {
  rsa: [1024, 2048, 3072, 4096],
  dsa: [1024, 2048, 3072, 4096],
  ec: [256, 384, 521],
  ed25519: [256],
} as const;

/** Finds the recipe of an order. Names count in any case. EC, Ed25519 and 3072 bits are beyond Barbican. */
export function recipeOf(
  type: "key" | "asymmetric",
  algorithm: string,
  bitLength: number,
  mode: string | null,
  aes512: Aes512,
): Recipe | Unfit {
  if (type === "asymmetric") return pairRecipeOf(algorithm, bitLength);
  const name = algorithm.toLowerCase();
  if (!symmetric.has(name)) return unfit(`there is no algorithm ${algorithm} for keys`);
  const allowed = sizesOf(name, mode?.toLowerCase() === "xts", aes512);
  if (!allowed.includes(bitLength))
    return unfit(
      `${name} keys have ${allowed.join(", ")} bits, not ${bitLength}${hintFor(name, bitLength)}`,
    );
  return { type: "key", bytes: bitLength / 8 };
}

/** Nova and Cinder name no mode, and `openstack` sends cbc by default: only the length says XTS. */
function sizesOf(name: string, isXts: boolean, aes512: Aes512): readonly number[] {
  if (isXts) return xtsSizes;
  if (name.startsWith("hmac")) return [...plainSizes, 384, 512];
  return name === "aes" && aes512 === "any" ? [...plainSizes, 512] : plainSizes;
}

/** Why a key of 512 bits is refused although others get one. */
function hintFor(name: string, bitLength: number): string {
  return name === "aes" && bitLength === 512
    ? "; this server makes 512 only for mode xts (orders.aes512)"
    : "";
}

/** Finds the recipe of an order for a key pair. */
export function pairRecipeOf(algorithm: string, bitLength: number): KeyPairRecipe | Unfit {
  const name = algorithm.toLowerCase();
  if (name !== "rsa" && name !== "dsa" && name !== "ec" && name !== "ed25519")
    return unfit(`there is no algorithm ${algorithm} for key pairs`);
  const sizes: readonly number[] = pairSizes[name];
  if (!sizes.includes(bitLength))
    return unfit(`${name} pairs have ${sizes.join(", ")} bits, not ${bitLength}`);
  const containerType = name === "rsa" || name === "dsa" ? name : "generic";
  return { type: "pair", algorithm: name, bitLength, containerType };
}

/** True if some algorithm has this length although it is not whole bytes. */
export function isOddLength(algorithm: string, bitLength: number): boolean {
  return algorithm.toLowerCase() === "ec" && bitLength === 521;
}

function unfit(reason: string): Unfit {
  return { type: "unfit", status: "400", reason: `Order processing issue seen - ${reason}.` };
}
