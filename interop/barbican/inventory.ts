import type { BarbicanLab } from "./lab.ts";

/** Everything that a project has in Barbican: ids by kind, read past our own adapter. */
export type Inventory = Readonly<Record<"secrets" | "orders" | "containers", readonly string[]>>;

/** Reads it by plain requests. @param token of the project, of someone who may list under the legacy policy */
export async function inventory(lab: BarbicanLab, token: string): Promise<Inventory> {
  const ids = async (kind: string) => {
    const found: string[] = [];
    for (let total = 1; found.length < total; ) {
      const url = `${lab.legacyUrl}/v1/${kind}?limit=100&offset=${found.length}`;
      const response = await fetch(url, { headers: { "x-auth-token": token } });
      if (response.status !== 200) throw new Error(`list ${kind}: status ${response.status}`);
      const page = (await response.json()) as Record<string, unknown> & { total: number };
      const items = page[kind] as Record<string, string>[];
      total = page.total;
      if (items.length === 0) break;
      for (const item of items) found.push(item[`${kind.slice(0, -1)}_ref`]?.slice(-36) ?? "");
    }
    return found.toSorted();
  };
  return {
    secrets: await ids("secrets"),
    orders: await ids("orders"),
    containers: await ids("containers"),
  };
}
