import { KeyManagerError } from "./errors.ts";
import type { SecretBytes } from "./secret-bytes.ts";

/** Barbican's `secret_type`, and every backend's. */
export const objectTypes = [
  "symmetric",
  "private",
  "public",
  "passphrase",
  "certificate",
  "opaque",
] as const;

/** One of {@link objectTypes}. */
export type ObjectType = (typeof objectTypes)[number];

declare const brand: unique symbol;

/** A canonical lower-case UUID that a key manager gave an object. Made by {@link objectId}. */
export type ObjectId = string & { readonly [brand]: "ObjectId" };

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * Reads an object's id from itself or from a reference that ends in it
 * (`https://barbican.example/v1/secrets/<id>`). The host of a reference is not
 * looked at: an id is always fetched from the configured key manager.
 *
 * @throws `invalid_argument`
 */
export function objectId(text: string): ObjectId {
  if (typeof text !== "string") {
    throw new KeyManagerError("invalid_argument", "object id: missing");
  }
  const last = text.replace(/\/+$/, "").split("/").at(-1) ?? "";
  if (!uuid.test(last)) {
    throw new KeyManagerError(
      "invalid_argument",
      `object id ${JSON.stringify(text.slice(0, 80))}: not a lower-case UUID, nor a reference that ends in one`,
    );
  }
  return last as ObjectId;
}

/** Who needs an object, so that it is not deleted under them: a volume, an instance, a load balancer. */
export interface Consumer {
  /** The service's type, as in the catalog: `volume`, `compute`, `load-balancer`. 1–255 characters. */
  readonly service: string;
  /** What needs it: `volume`, `instance`. 1–255 characters. */
  readonly resourceType: string;
  /** Which one, usually a UUID. 1–36 characters. */
  readonly resourceId: string;
}

/** Attributes of an object in addition to its type. Objects that others stored may lack any of them. */
export interface ObjectAttributes {
  /** For people and for finding it again; at most 255 characters; need not be unique. */
  readonly name?: string | undefined;
  /** Lower case: `aes`, `rsa`, `hmacsha256`. */
  readonly algorithm?: string | undefined;
  /** In bits. An AES-XTS key counts both halves: 256 or 512. */
  readonly bitLength?: number | undefined;
  /** The mode the key is meant for: `xts`, `cbc`. */
  readonly mode?: string | undefined;
  /** From then on the backend treats the object as gone. */
  readonly expiration?: Date | undefined;
  /** How the backend labels the payload. Default `application/octet-stream`. */
  readonly contentType?: string | undefined;
}

/** Raw bytes of a symmetric key; `bitLength`, if given, is eight times their number. */
export interface SymmetricKey extends ObjectAttributes {
  readonly type: "symmetric";
  readonly value: SecretBytes;
}

/** DER of a PKCS#8 PrivateKeyInfo or EncryptedPrivateKeyInfo (RFC 5958). */
export interface PrivateKey extends ObjectAttributes {
  readonly type: "private";
  readonly value: SecretBytes;
}

/** DER of a SubjectPublicKeyInfo (RFC 5280 section 4.1). */
export interface PublicKey extends ObjectAttributes {
  readonly type: "public";
  readonly value: SecretBytes;
}

/** Text as UTF-8. */
export interface Passphrase extends ObjectAttributes {
  readonly type: "passphrase";
  readonly value: SecretBytes;
}

/** DER of an X.509 certificate (RFC 5280). */
export interface Certificate extends ObjectAttributes {
  readonly type: "certificate";
  readonly value: SecretBytes;
}

/** Anything else. */
export interface OpaqueData extends ObjectAttributes {
  readonly type: "opaque";
  readonly value: SecretBytes;
}

/** What a key manager keeps, told apart by `type`. Immutable. */
export type ManagedObject =
  | SymmetricKey
  | PrivateKey
  | PublicKey
  | Passphrase
  | Certificate
  | OpaqueData;

/** What the backend adds to an object when it keeps it. */
export interface StorageRecord {
  readonly id: ObjectId;
  readonly created: Date;
  readonly updated: Date;
  /** Empty where the backend cannot track consumers. */
  readonly consumers: readonly Consumer[];
}

/** A stored object with its secret bytes. */
export type StoredObject = ManagedObject & StorageRecord;

/** What is known of an object without its secret bytes. */
export interface ObjectInfo extends ObjectAttributes, StorageRecord {
  readonly type: ObjectType;
}

/** The id under which Nova and Cinder knew the one key of all volumes. */
export const fixedKeyId: ObjectId = objectId("00000000-0000-0000-0000-000000000000");
