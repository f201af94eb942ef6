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
import type { RequestContext } from "./context.ts";
import type { Permit } from "./permit.ts";

export type { QuotaKind, QuotaRow };
export { quotaKinds };

/** How much a project may have. */
export class QuotaService {
  readonly #context: RequestContext;

  constructor(context: RequestContext) {
    this.#context = context;
  }

  /** What holds for the caller's project. */
  async effective(permit: Permit): Promise<Readonly<Record<QuotaKind, number>>> {
    const { store, defaultQuotas } = this.#context;
    const own = await store.read(findProjectQuotas, { projectId: permit.principal.projectId });
    const entries = quotaKinds.map((kind) => [kind, own?.[kind] ?? defaultQuotas[kind]] as const);
    return Object.fromEntries(entries) as Record<QuotaKind, number>;
  }

  list(
    _permit: Permit,
    page: PageOf,
  ): Promise<{
    readonly rows: readonly (QuotaRow & { readonly project_id: string })[];
    readonly total: number;
    readonly offset: number;
  }> {
    return this.#context.store.read(listProjectQuotas, page);
  }

  async get(_permit: Permit, projectId: string): Promise<QuotaRow> {
    const found = await this.#context.store.read(findProjectQuotas, { projectId });
    if (!found) throw quotasNotFound();
    return found;
  }

  async set(permit: Permit, projectId: string, quotas: Partial<QuotaRow>): Promise<void> {
    await permit.write(setProjectQuotas, { projectId, quotas }, projectId);
  }

  async remove(permit: Permit, projectId: string): Promise<void> {
    const result = await permit.write(deleteProjectQuotas, { projectId }, projectId);
    if ("refused" in result) throw quotasNotFound();
  }
}

function quotasNotFound(): WireError {
  return new WireError(404, "Not Found. The project has no quotas of its own.");
}
