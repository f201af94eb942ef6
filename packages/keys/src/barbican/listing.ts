import type { Caller } from "../model/caller.ts";
import type { CallOptions, ListFilter } from "../model/key-manager.ts";
import type { SecretDocument, Secrets } from "./client/secrets.ts";

const pageSize = 100;

/**
 * All secrets of the caller's project in creation order.
 *
 * Pages go by creation time, not by offset: what others delete meanwhile would
 * shift an offset past secrets that were never seen. Within one instant, which
 * on MySQL is a whole second, the offset has to do; there it starts over when
 * secrets have gone.
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
  let totalBefore = 0;
  for (;;) {
    const { items, total } = await secrets.list(
      caller,
      {
        secret_type: filter.type,
        name: serverSideName(filter.name),
        created: since === undefined ? undefined : `gte:${since}`,
        // Names settle the order within an instant, so that pages do not overlap.
        sort: ["created:asc", "name:asc"],
      },
      { limit: pageSize, offset },
      options,
    );
    if (offset > 0 && total < totalBefore) {
      totalBefore = total;
      offset = 0;
      continue;
    }
    totalBefore = total;
    for (const item of items) {
      if (seen.has(item.id) || !matches(item, filter)) continue;
      yield item;
    }
    const last = items.at(-1);
    // A server may be set to give fewer than were asked for.
    const isLast = items.length < pageSize && offset + items.length >= total;
    if (last === undefined || isLast) return;
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
export function serverSideName(name: string | undefined): string | undefined {
  return name === undefined || /[%+\\]/.test(name) ? undefined : name;
}

function matches(item: SecretDocument, filter: ListFilter): boolean {
  return (
    (filter.type === undefined || item.type === filter.type) &&
    (filter.name === undefined || item.name === filter.name)
  );
}
