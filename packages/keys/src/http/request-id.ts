import type { HttpResponse } from "./send.ts";

/**
 * What the server's log has of a refused request, as an error repeats it: `(req-…)`. Empty if the server gave none, or
 * something else than an id.
 */
export function requestIdIn({ headers }: HttpResponse): string {
  const id = headers.get("x-openstack-request-id");
  return id !== undefined && /^[\w-]{1,80}$/.test(id) ? `(${id})` : "";
}
