import {
  type QuotaKind,
  type QuotaRow,
  type QuotaService,
  quotaKinds,
} from "../services/quotas.ts";
import { type ApiRequest, actionsOn, json, type KeyManagerEndpoint } from "./api.ts";
import { Fields, jsonObject } from "./body.ts";
import { pageLinks, parsePage } from "./query.ts";

/** Quotas: the caller's, and an administrator's view of every project's. */
export function quotaRoutes(quotas: QuotaService): readonly KeyManagerEndpoint[] {
  const on = actionsOn("none");
  return [
    {
      path: "/v1/quotas",
      target: "none",
      methods: {
        GET: on({
          rule: "quotas:get",
          noun: "Quotas retrieval",
          audit: "refusals",
          run: async ({ permit }) => ({
            status: 200,
            json: { quotas: await quotas.effective(permit) },
          }),
        }),
      },
    },
    {
      path: "/v1/project-quotas",
      target: "none",
      methods: {
        GET: on({
          rule: "project_quotas:get",
          noun: "Project Quotas retrieval",
          audit: "refusals",
          parse: ({ query }) => parsePage(query),
          run: async ({ request, permit, input: page }) => {
            const { rows, total, offset } = await quotas.list(permit, page);
            const items = rows.map((row) => ({
              project_id: row.project_id,
              project_quotas: document(row),
            }));
            const url = request.refs.to("project-quotas");
            const links = pageLinks(url, { ...page, offset }, items.length, total);
            return { status: 200, json: { project_quotas: items, ...links } };
          },
        }),
      },
    },
    {
      path: "/v1/project-quotas/:project",
      target: "none",
      methods: {
        GET: on({
          rule: "project_quotas:get",
          noun: "Project Quotas retrieval",
          audit: "refusals",
          run: async ({ request, permit }) => {
            const row = await quotas.get(permit, projectOf(request));
            return { status: 200, json: { project_quotas: document(row) } };
          },
        }),
        PUT: on({
          rule: "project_quotas:put",
          noun: "Project Quotas update",
          audit: "write",
          accepts: json,
          parse: (request) => parseProjectQuotas(request),
          run: async ({ request, permit, input }) => {
            await quotas.set(permit, projectOf(request), input);
            return { status: 204 };
          },
        }),
        DELETE: on({
          rule: "project_quotas:delete",
          noun: "Project Quotas deletion",
          audit: "write",
          run: async ({ request, permit }) => {
            await quotas.remove(permit, projectOf(request));
            return { status: 204 };
          },
        }),
      },
    },
  ];
}

function projectOf({ params }: ApiRequest): string {
  return params["project"] ?? "";
}

function document(row: QuotaRow): object {
  return Object.fromEntries(quotaKinds.map((kind) => [kind, row[kind]]));
}

/** `{"project_quotas": {…}}` with some of the five, integers. Null leaves one as it is: clients send back what they read. */
function parseProjectQuotas(request: ApiRequest): Partial<QuotaRow> {
  const fields = new Fields(jsonObject(request, "Project Quota"), "Project Quota");
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
