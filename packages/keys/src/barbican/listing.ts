import type { Caller } from "../caller.ts";
import type { CallOptions, ListFilter } from "../key-manager.ts";
import type { SecretDocument, Secrets } from "./client/secrets.ts";

const pageSize = 100;

/**
 * All secrets of the caller's project in creation order.
 *
 * Pages go by creation time, not by offset: what others delete meanwhile would
 * shift an offset past secrets that were never seen. Within one instant, which
 * on MySQL is a whole second, the offset has to do.
 */
export async function* listSecrets(
  secrets: Secrets,
  caller: Caller,
  filter: ListFilter,
  options: CallOptions,
): AsyncIterable<SecretDocument> {
  let since: string | undefined;
  let offset = 0;
  let seen = new Set<string>();
  for (;;) {
    const { items } = await secrets.list(
      caller,
      {
        secret_type: filter.type,
        name: serverSideName(filter.name),
        created: since === undefined ? undefined : `gte:${since}`,
        sort: ["created:asc"],
      },
      { limit: pageSize, offset },
      options,
    );
    for (const item of items) {
      if (seen.has(item.id) || !matches(item, filter)) continue;
      yield item;
    }
    const last = items.at(-1);
    if (last === undefined || items.length < pageSize) return;
    const atEnd = items.filter((item) => item.created === last.created).map((item) => item.id);
    if (last.created === since) {
      offset += items.length;
      seen = new Set([...seen, ...atEnd]);
    } else {
      since = last.created;
      offset = 0;
      seen = new Set(atEnd);
    }
  }
}

/** Barbican matches names as patterns and decodes them twice; what that could garble is compared here only. */
function serverSideName(name: string | undefined): string | undefined {
  return name === undefined || /[%+\\]/.test(name) ? undefined : name;
}

function matches(item: SecretDocument, filter: ListFilter): boolean {
  return (
    (filter.type === undefined || item.type === filter.type) &&
    (filter.name === undefined || item.name === filter.name)
  );
}
