import { createHash, hash, randomBytes } from "node:crypto";

/** 32 hex digits, as Keystone's ids. */
export function newId(): string {
  return randomBytes(16).toString("hex");
}

/** 256 random bits, base64url: an identity token. */
export function newToken(): string {
  return randomBytes(32).toString("base64url");
}

/** Names a token in logs without being one. */
export function newAuditId(): string {
  return randomBytes(16).toString("base64url");
}

/** Under which a token is stored and looked up. It has 256 random bits, so it needs neither salt nor a slow hash. */
export function tokenHash(token: string): string {
  return hash("sha256", token, "base64url");
}

/** An id that is the same on every node and after every start. */
export function derivedId(kind: string, name: string): string {
  return createHash("sha256").update(`${kind}:${name}`).digest("hex").slice(0, 32);
}
