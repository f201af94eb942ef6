import {
  type QuotaKind,
  type QuotaRow,
  type QuotaService,
  quotaKinds,
} from "../services/quotas.ts";
import { Fields, jsonBody } from "./body.ts";
import { pageLinks, parsePage } from "./query.ts";
import type { Call, Route } from "./route.ts";

/** Quotas: the caller's, and an administrator's view of every project's. */
export function quotaRoutes(quotas: QuotaService): readonly Route[] {
  return [
    {
      path: "/v1/quotas",
      handlers: {
        GET: async (call) => ({
          status: 200,
          json: { quotas: await quotas.effective(call.principal) },
        }),
      },
    },
    {
      path: "/v1/project-quotas",
      handlers: {
        GET: async (call) => {
          const page = parsePage(call.query);
          const { rows, total, offset } = await quotas.list(call.principal, () => page);
          const items = rows.map((row) => ({
            project_id: row.project_id,
            project_quotas: document(row),
          }));
          const shown = { ...page, offset };
          const links = pageLinks(call.refs.to("project-quotas"), shown, items.length, total);
          return { status: 200, json: { project_quotas: items, ...links } };
        },
      },
    },
    {
      path: "/v1/project-quotas/:project",
      handlers: {
        GET: async (call) => {
          const row = await quotas.get(call.principal, call.params["project"] ?? "");
          return { status: 200, json: { project_quotas: document(row) } };
        },
        PUT: async (call) => {
          const id = call.params["project"] ?? "";
          await quotas.set(call.principal, id, () => parseProjectQuotas(call));
          return { status: 204 };
        },
        DELETE: async (call) => {
          await quotas.remove(call.principal, call.params["project"] ?? "");
          return { status: 204 };
        },
      },
    },
  ];
}

function document(row: QuotaRow): object {
  return Object.fromEntries(quotaKinds.map((kind) => [kind, row[kind]]));
}

/** `{"project_quotas": {…}}` with some of the five, integers. Null leaves one as it is: clients send back what they read. */
function parseProjectQuotas(call: Call): Partial<QuotaRow> {
  const fields = new Fields(jsonBody(call, "Project Quota"), "Project Quota");
  fields.only(["project_quotas"]);
  const quotas: unknown = fields.raw("project_quotas");
  if (typeof quotas !== "object" || quotas === null || Array.isArray(quotas))
    throw fields.error("project_quotas is not of type 'object'", "project_quotas");
  const inner = new Fields(quotas as Record<string, unknown>, "Project Quota");
  inner.only(quotaKinds);
  const given: Partial<Record<QuotaKind, number>> = {};
  for (const kind of quotaKinds) {
    const value = inner.raw(kind);
    if (value === undefined || value === null) continue;
    if (typeof value !== "number" || !Number.isInteger(value) || Math.abs(value) > 2 ** 31 - 1)
      throw inner.error(`${kind} is not of type 'integer'`, kind);
    given[kind] = value;
  }
  return given;
}
