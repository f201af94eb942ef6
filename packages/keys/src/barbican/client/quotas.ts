import {
  type Document,
  numberField,
  objectField,
  optionalNumber,
  textField,
} from "../../http/document.ts";
import type { Caller } from "../../model/caller.ts";
import type { BarbicanCallOptions, BarbicanConnection } from "./connection.ts";
import { fetchPage, type Page, type PageRequest } from "./page.ts";

const resources = ["secrets", "orders", "containers", "consumers", "cas"] as const;

/** How many of each a project may have: −1 unlimited, 0 none. */
export type Quotas = Readonly<
  Record<"secrets" | "orders" | "containers" | "consumers" | "cas", number>
>;

/** An administrator's exceptions for one project; what is missing has the default. */
export type ProjectQuotas = Readonly<Partial<Quotas>>;

/** https://docs.openstack.org/barbican/latest/api/reference/quotas.html */
export class QuotaCalls {
  readonly #connection: BarbicanConnection;

  constructor(connection: BarbicanConnection) {
    this.#connection = connection;
  }

  /** What holds for the caller's project. */
  async effective(caller: Caller, options: BarbicanCallOptions = {}): Promise<Quotas> {
    const what = "GET quotas";
    const document = await this.#connection.document(caller, {
      method: "GET",
      path: ["quotas"],
      expect: [200],
      signal: options.signal,
    });
    const quotas = objectField(what, document, "quotas");
    return Object.fromEntries(
      resources.map((name) => [name, numberField(what, quotas, name)]),
    ) as Quotas;
  }

  /** Every project with exceptions. For administrators. */
  listProjects(
    caller: Caller,
    page: PageRequest = {},
    options: BarbicanCallOptions = {},
  ): Promise<Page<{ readonly projectId: string; readonly quotas: ProjectQuotas }>> {
    return fetchPage(
      this.#connection,
      caller,
      {
        path: ["project-quotas"],
        plural: "project_quotas",
        page,
        read: (what, item) => ({
          projectId: textField(what, item, "project_id"),
          quotas: readProjectQuotas(what, item),
        }),
      },
      options,
    );
  }

  /** @throws `not_found` if the project has no exceptions. */
  async project(
    caller: Caller,
    projectId: string,
    options: BarbicanCallOptions = {},
  ): Promise<ProjectQuotas> {
    const document = await this.#connection.document(caller, {
      method: "GET",
      path: ["project-quotas", projectId],
      expect: [200],
      signal: options.signal,
    });
    return readProjectQuotas(`GET project-quotas/${projectId}`, document);
  }

  /** Changes only what is given. */
  async setProject(
    caller: Caller,
    projectId: string,
    quotas: ProjectQuotas,
    options: BarbicanCallOptions = {},
  ): Promise<void> {
    await this.#connection.call(caller, {
      method: "PUT",
      path: ["project-quotas", projectId],
      json: { project_quotas: quotas },
      expect: [204],
      signal: options.signal,
    });
  }

  /** Back to the defaults. */
  async resetProject(
    caller: Caller,
    projectId: string,
    options: BarbicanCallOptions = {},
  ): Promise<void> {
    await this.#connection.call(caller, {
      method: "DELETE",
      path: ["project-quotas", projectId],
      expect: [204],
      signal: options.signal,
    });
  }
}

function readProjectQuotas(what: string, document: Document): ProjectQuotas {
  const quotas = objectField(what, document, "project_quotas");
  const set = resources.map((name) => [name, optionalNumber(what, quotas, name)] as const);
  return Object.fromEntries(set.filter(([, value]) => value !== undefined));
}
