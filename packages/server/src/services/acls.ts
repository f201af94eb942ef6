import type { Principal } from "../model/principal.ts";
import { issueSeen, unavailable } from "../model/wire-error.ts";
import type { PolicyRule } from "../policy/rule-names.ts";
import { setAcl } from "../store/operations/acls.ts";
import { authorise, type ServiceContext } from "./context.ts";
import { type OwnedRow, parseAcl, type StoredAcl } from "./ownership.ts";

export type { StoredAcl };

/** What a caller sets; a missing member is left (merge) or set to its default (replace). */
export interface AclChange {
  readonly users?: readonly string[];
  readonly projectAccess?: boolean;
}

export interface AclServiceOptions {
  readonly kind: "secret" | "container";
  readonly context: ServiceContext;
  /** Finds a live object, checked to be authentic. @throws WireError 404 */
  readonly find: (id: string) => Promise<OwnedRow>;
}

/** Callers that change one ACL at the same time, each more often than this, get a 503. */
const maxAttempts = 20;

/** Who, besides its owners, may read one kind of object. */
export class AclService {
  readonly #kind: "secret" | "container";
  readonly #context: ServiceContext;
  readonly #find: (id: string) => Promise<OwnedRow>;

  constructor(options: AclServiceOptions) {
    this.#kind = options.kind;
    this.#context = options.context;
    this.#find = options.find;
  }

  /** Its name in replies. */
  get #noun(): string {
    return `${this.#kind === "secret" ? "Secret" : "Container"}ACL(s)`;
  }

  /** @returns undefined if none is stored, which means: the project, and nobody else */
  async get(principal: Principal, id: string): Promise<StoredAcl | undefined> {
    const row = await this.#find(id);
    await this.#authorise(principal, row, "get", "retrieval");
    return parseAcl(row.acl);
  }

  replace(principal: Principal, id: string, input: () => AclChange): Promise<void> {
    return this.#change(principal, id, "put_patch", "creation", input, (change) => ({
      users: change.users ?? [],
      projectAccess: change.projectAccess ?? true,
    }));
  }

  merge(principal: Principal, id: string, input: () => AclChange): Promise<void> {
    return this.#change(principal, id, "put_patch", "update", input, (change, before) => ({
      users: change.users ?? before?.users ?? [],
      projectAccess: change.projectAccess ?? before?.projectAccess ?? true,
    }));
  }

  remove(principal: Principal, id: string): Promise<void> {
    return this.#change(
      principal,
      id,
      "delete",
      "deletion",
      () => ({}),
      () => undefined,
    );
  }

  async #change(
    principal: Principal,
    id: string,
    verb: "put_patch" | "delete",
    noun: string,
    input: () => AclChange,
    next: (change: AclChange, before: StoredAcl | undefined) => Required<AclChange> | undefined,
  ): Promise<void> {
    let row = await this.#find(id);
    const rule = await this.#authorise(principal, row, verb, noun);
    const change = input();
    const most = this.#context.limits.itemsPerObject;
    if (new Set(change.users).size > most)
      throw issueSeen(400, `${this.#noun} ${noun}`, `an ACL may have ${most} users`);
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const before = parseAcl(row.acl);
      if (await this.#store(principal, rule, row, next(change, before), before)) return;
      row = await this.#find(id);
    }
    throw unavailable("The ACL is being changed by others.");
  }

  async #store(
    principal: Principal,
    rule: PolicyRule,
    row: OwnedRow,
    wanted: Required<AclChange> | undefined,
    before: StoredAcl | undefined,
  ): Promise<boolean> {
    const { store, clock, audit } = this.#context;
    if (!wanted && !before) return true;
    const now = clock.timestamp();
    const acl: StoredAcl | undefined = wanted && {
      users: [...new Set(wanted.users)].toSorted(),
      projectAccess: wanted.projectAccess,
      created: before?.created ?? now,
      updated: now,
    };
    const text = acl ? JSON.stringify(acl) : null;
    const result = await store.write(
      setAcl,
      {
        kind: this.#kind,
        id: row.id,
        acl: text,
        users: acl?.users ?? [],
        expectedTag: row.tag,
        now,
      },
      audit.entry(principal, rule, row.id),
    );
    return !("refused" in result);
  }

  async #authorise(
    principal: Principal,
    row: OwnedRow,
    verb: "get" | "put_patch" | "delete",
    noun: string,
  ): Promise<PolicyRule> {
    const rule: PolicyRule = `${this.#kind}_acls:${verb}`;
    const operation = `${this.#noun} ${noun}`;
    // Ownership alone decides here: being granted to read gives no say in who else is.
    const target = { projectId: row.project_id, creatorId: row.creator_id };
    await authorise(this.#context, principal, rule, operation, target, row.id);
    return rule;
  }
}
