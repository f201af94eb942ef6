/** The newest minor version of API 1 that is served. */
export const maxMinorVersion = 2;

export type Microversion =
  | { readonly type: "ok"; readonly minor: number }
  /** Answered 406. */
  | { readonly type: "unsupported" }
  /** Answered 400. */
  | { readonly type: "malformed" };

const service = "key-manager";

/** In characters: room for every service of OpenStack. */
const maxLength = 1_024;

/** Reads `OpenStack-API-Version: key-manager X.Y` (or `latest`); what names other services is ignored. */
export function parseMicroversion(header: string | undefined): Microversion {
  if (header === undefined) return { type: "ok", minor: 0 };
  if (header.length > maxLength) return { type: "malformed" };
  const mine = header
    .split(",")
    .map((part) => part.trim().split(/\s+/))
    .findLast(([name]) => name?.toLowerCase() === service);
  if (!mine) return { type: "ok", minor: 0 };
  const [, version = "", ...more] = mine;
  if (version === "latest" && more.length === 0) return { type: "ok", minor: maxMinorVersion };
  const match = /^(\d{1,9})\.(\d{1,9})$/.exec(version);
  if (!match || more.length > 0) return { type: "malformed" };
  const minor = Number(match[2]);
  if (match[1] !== "1" || minor > maxMinorVersion) return { type: "unsupported" };
  return { type: "ok", minor };
}
