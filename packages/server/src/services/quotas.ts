import type { Principal } from "../model/principal.ts";
import { WireError } from "../model/wire-error.ts";
import type { PageOf } from "../store/operations/pages.ts";
import {
  deleteProjectQuotas,
  findProjectQuotas,
  listProjectQuotas,
  type QuotaKind,
  type QuotaRow,
  quotaKinds,
  setProjectQuotas,
} from "../store/operations/quotas.ts";
import { authorise, type ServiceContext } from "./context.ts";

export type { QuotaKind, QuotaRow };
export { quotaKinds };

/** How much a project may have. */
export class QuotaService {
  readonly #context: ServiceContext;

  constructor(context: ServiceContext) {
    this.#context = context;
  }

  /** What holds for the caller's project. */
  async effective(principal: Principal): Promise<Readonly<Record<QuotaKind, number>>> {
    await authorise(this.#context, principal, "quotas:get", "Quotas retrieval");
    const { store, defaultQuotas } = this.#context;
    const own = await store.read(findProjectQuotas, { projectId: principal.projectId });
    const entries = quotaKinds.map((kind) => [kind, own?.[kind] ?? defaultQuotas[kind]] as const);
    return Object.fromEntries(entries) as Record<QuotaKind, number>;
  }

  async list(
    principal: Principal,
    page: () => PageOf,
  ): Promise<{
    readonly rows: readonly (QuotaRow & { readonly project_id: string })[];
    readonly total: number;
    readonly offset: number;
  }> {
    await authorise(this.#context, principal, "project_quotas:get", "Project Quotas retrieval");
    return this.#context.store.read(listProjectQuotas, page());
  }

  async get(principal: Principal, projectId: string): Promise<QuotaRow> {
    await authorise(this.#context, principal, "project_quotas:get", "Project Quotas retrieval");
    const found = await this.#context.store.read(findProjectQuotas, { projectId });
    if (!found) throw quotasNotFound();
    return found;
  }

  async set(
    principal: Principal,
    projectId: string,
    input: () => Partial<QuotaRow>,
  ): Promise<void> {
    const rule = "project_quotas:put";
    await authorise(this.#context, principal, rule, "Project Quotas update");
    const { store, audit } = this.#context;
    const entry = audit.entry(principal, rule, projectId);
    await store.write(setProjectQuotas, { projectId, quotas: input() }, entry);
  }

  async remove(principal: Principal, projectId: string): Promise<void> {
    const rule = "project_quotas:delete";
    await authorise(this.#context, principal, rule, "Project Quotas deletion");
    const { store, audit } = this.#context;
    const entry = audit.entry(principal, rule, projectId);
    const result = await store.write(deleteProjectQuotas, { projectId }, entry);
    if ("refused" in result) throw quotasNotFound();
  }
}

function quotasNotFound(): WireError {
  return new WireError(404, "Not Found. The project has no quotas of its own.");
}
