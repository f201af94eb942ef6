/**
 * What every answer says, from here alone: nobody may keep it. A cache that kept an answer would hand a payload, a list
 * or an identity token to a request without any token. Public answers say it too; none is worth keeping.
 *
 * `Vary` names everything that an answer depends on, for caches that were told to ignore `Cache-Control`.
 */
export const cacheHeaders = {
  "cache-control": "no-store",
  vary: "X-Auth-Token, X-Subject-Token, X-Storage-Token, X-Service-Token, OpenStack-API-Version, Accept",
} as const;

/** The same, as `writeHead` takes headers. */
export const rawCacheHeaders: readonly string[] = Object.entries(cacheHeaders).flat();
