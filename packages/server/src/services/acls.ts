import { issueSeen, unavailable } from "../model/wire-error.ts";
import { setAcl } from "../store/operations/acls.ts";
import type { RequestContext } from "./context.ts";
import { type OwnedRow, parseAcl, type StoredAcl } from "./ownership.ts";
import type { Permit } from "./permit.ts";

export type { StoredAcl };

/** What a caller sets; a missing member is left (merge) or set to its default (replace). */
export interface AclChange {
  readonly users?: readonly string[];
  readonly projectAccess?: boolean;
}

export interface AclServiceOptions {
  readonly kind: "secret" | "container";
  readonly context: RequestContext;
  /** Reads a live object again, after another caller changed it. @throws WireError 404 */
  readonly reload: (id: string) => Promise<OwnedRow>;
}

/** Callers that change one ACL at the same time, each more often than this, get a 503. */
const maxAttempts = 20;

/** Who, besides its owners, may read one kind of object. */
export class AclService {
  readonly #kind: "secret" | "container";
  readonly #context: RequestContext;
  readonly #reload: (id: string) => Promise<OwnedRow>;

  constructor(options: AclServiceOptions) {
    this.#kind = options.kind;
    this.#context = options.context;
    this.#reload = options.reload;
  }

  /** Its name in replies. */
  get #noun(): string {
    return `${this.#kind === "secret" ? "Secret" : "Container"}ACL(s)`;
  }

  /** @returns undefined if none is stored, which means: the project, and nobody else */
  get(_permit: Permit, row: OwnedRow): StoredAcl | undefined {
    return parseAcl(row.acl);
  }

  replace(permit: Permit, row: OwnedRow, change: AclChange): Promise<void> {
    this.#checkUsers(change, "creation");
    return this.#change(permit, row, () => ({
      users: change.users ?? [],
      projectAccess: change.projectAccess ?? true,
    }));
  }

  merge(permit: Permit, row: OwnedRow, change: AclChange): Promise<void> {
    this.#checkUsers(change, "update");
    return this.#change(permit, row, (before) => ({
      users: change.users ?? before?.users ?? [],
      projectAccess: change.projectAccess ?? before?.projectAccess ?? true,
    }));
  }

  remove(permit: Permit, row: OwnedRow): Promise<void> {
    return this.#change(permit, row, () => undefined);
  }

  #checkUsers({ users }: AclChange, noun: string): void {
    const most = this.#context.limits.itemsPerObject;
    if (new Set(users).size > most)
      throw issueSeen(400, `${this.#noun} ${noun}`, `an ACL may have ${most} users`);
  }

  async #change(
    permit: Permit,
    found: OwnedRow,
    next: (before: StoredAcl | undefined) => Required<AclChange> | undefined,
  ): Promise<void> {
    let row = found;
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const before = parseAcl(row.acl);
      if (await this.#store(permit, row, next(before), before)) return;
      row = await this.#reload(row.id);
    }
    throw unavailable("The ACL is being changed by others.");
  }

  async #store(
    permit: Permit,
    row: OwnedRow,
    wanted: Required<AclChange> | undefined,
    before: StoredAcl | undefined,
  ): Promise<boolean> {
    if (!wanted && !before) return true;
    const now = this.#context.clock.timestamp();
    const acl: StoredAcl | undefined = wanted && {
      users: [...new Set(wanted.users)].toSorted(),
      projectAccess: wanted.projectAccess,
      created: before?.created ?? now,
      updated: now,
    };
    const result = await permit.write(setAcl, {
      kind: this.#kind,
      id: row.id,
      acl: acl ? JSON.stringify(acl) : null,
      users: acl?.users ?? [],
      expectedTag: row.tag,
      now,
    });
    return !("refused" in result);
  }
}
