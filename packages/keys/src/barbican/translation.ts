import { timeOf } from "../http/document.ts";
import { checkAttributes } from "../model/attributes.ts";
import { checkedBitLength } from "../model/key-material.ts";
import type { ManagedObject, ObjectInfo } from "../model/managed-object.ts";
import { derOf, isPemType, pemOf } from "../model/pem.ts";
import { SecretBytes } from "../model/secret-bytes.ts";
import type { NewSecret, SecretDocument } from "./client/secrets.ts";

export const octetStream = "application/octet-stream";

/** The base64 of a payload that Barbican takes in one step, at its default limit of 20,000 characters. */
export const maxOneStepBytes = 15_000;

/** What an object crosses the wire as: how it is registered, and its payload. */
export interface WireObject {
  readonly secret: NewSecret;
  readonly payload: { readonly bytes: SecretBytes; readonly contentType: string };
}

/** @throws `invalid_argument` if the attributes cannot be kept as they are, or the bytes do not fit the type or the stated length. */
export function wireObject(what: string, object: ManagedObject, name: string): WireObject {
  checkAttributes(what, object);
  const { type, algorithm, mode, expiration } = object;
  return {
    secret: { type, name, algorithm, bitLength: checkedBitLength(what, object), mode, expiration },
    payload: { bytes: wireBytes(object), contentType: object.contentType ?? octetStream },
  };
}

/** The object's bytes as they cross the wire. */
export function wireBytes({ type, value }: ManagedObject): SecretBytes {
  return isPemType(type) ? value.use((der) => new SecretBytes(pemOf(type, der))) : value;
}

/** What a secret is to be registered with, so that it is like another. */
export function likeSecret(what: string, source: SecretDocument, name: string): NewSecret {
  const { type, algorithm, bitLength, mode } = source;
  return { type, name, algorithm, bitLength, mode, expiration: expirationOf(what, source) };
}

/** The object's bytes, DER where the wire has PEM. */
export function objectBytes(type: ObjectInfo["type"], payload: SecretBytes): SecretBytes {
  return isPemType(type) ? payload.use((bytes) => new SecretBytes(derOf(type, bytes))) : payload;
}

export function objectInfo(what: string, document: SecretDocument): ObjectInfo {
  return {
    type: document.type,
    id: document.id,
    name: document.name,
    algorithm: document.algorithm?.toLowerCase(),
    bitLength: document.bitLength,
    mode: document.mode?.toLowerCase(),
    expiration: expirationOf(what, document),
    contentType: document.contentType,
    created: timeOf(what, "created", document.created),
    updated: timeOf(what, "updated", document.updated),
    consumers: document.consumers ?? [],
  };
}

export function expirationOf(what: string, { expiration }: SecretDocument): Date | undefined {
  return expiration === undefined ? undefined : timeOf(what, "expiration", expiration);
}
