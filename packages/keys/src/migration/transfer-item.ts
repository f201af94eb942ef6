import type { ContainerType } from "../barbican/client/containers.ts";
import { KeyManagerError } from "../model/errors.ts";
import type { ReadAccess } from "../model/key-manager.ts";
import type { ObjectId } from "../model/managed-object.ts";
import type {
  ContainerAdapter,
  ContainerForm,
  ListedContainer,
  ListedObject,
  MigrationAdapter,
  ObjectContent,
  ObjectForm,
} from "./migration-adapter.ts";
import { isSameBytes } from "./same-bytes.ts";

/** Why something is not carried over, though nothing failed. */
export class Skipped extends Error {}

/** One object or container to carry over: how it is read, recognised, made and completed. */
export interface TransferItem {
  readonly kind: "object" | "container";
  readonly sourceId: ObjectId;
  readonly name: string | undefined;
  readonly type: string;
  /** Why it cannot be carried over, as far as the source's list tells. */
  readonly refusal: string | undefined;
  /** Fetches what is to be carried. @throws Skipped */
  load(): Promise<Load>;
}

/** What an item carries, once it has it. */
export interface Load {
  /** True if a thing of the target may be the copy: it is of the same form, and has the same bytes or none yet. */
  isCopy(candidate: Candidate): Promise<boolean>;
  create(): Promise<ObjectId>;
  /** Finishes and verifies what was made. @throws `integrity` if the target gives back other bytes */
  complete(id: ObjectId, isNew: boolean): Promise<void>;
  /** @throws `integrity` as {@link complete} */
  verify(id: ObjectId): Promise<void>;
  discard(id: ObjectId): Promise<void>;
}

/** A thing of the target, as its list shows it. */
export type Candidate =
  | { readonly kind: "object"; readonly id: ObjectId; readonly object: ListedObject }
  | { readonly kind: "container"; readonly id: ObjectId; readonly container: ListedContainer };

/** From where to where, and what changes on the way. */
export interface CopyPlan {
  readonly source: MigrationAdapter;
  readonly target: MigrationAdapter;
  /** Ids of users in the source's Keystone → in the target's; others stay as they are. */
  readonly users: ReadonlyMap<string, string>;
  /** The copy of an object of the source, if it has one. */
  readonly copyOf: (sourceId: ObjectId) => ObjectId | undefined;
}

export function objectItem(plan: CopyPlan, listed: ListedObject): TransferItem {
  return {
    kind: "object",
    sourceId: listed.id,
    name: listed.name,
    type: listed.type,
    refusal: listed.contentType === undefined ? "it has no bytes" : undefined,
    async load() {
      const content = await plan.source.content(listed);
      const refusal = plan.target.refusal(content);
      if (refusal !== undefined) throw new Skipped(refusal);
      const access = mapped(plan, content.access);
      return new ObjectLoad(plan, formOf(plan, listed), { ...content, access });
    },
  };
}

/** What an object is made with; also to compare one with its copy. */
export function formOf({ target }: Pick<CopyPlan, "target">, listed: ListedObject): ObjectForm {
  const { type, algorithm, bitLength, mode, expiration } = listed;
  const name = listed.name ?? (target.keepsUnnamed ? undefined : `migrated-${listed.id}`);
  return { type, name, algorithm, bitLength, mode, expiration };
}

/** What of two forms is not alike, in words; empty if they are the same. */
export function differences(a: ObjectForm, b: ObjectForm): readonly string[] {
  const names = ["type", "name", "algorithm", "bitLength", "mode", "expiration"] as const;
  return names.filter((name) => a[name]?.valueOf() !== b[name]?.valueOf());
}

class ObjectLoad implements Load {
  readonly #plan: CopyPlan;
  readonly #form: ObjectForm;
  readonly #content: ObjectContent;

  constructor(plan: CopyPlan, form: ObjectForm, content: ObjectContent) {
    this.#plan = plan;
    this.#form = form;
    this.#content = content;
  }

  async isCopy(candidate: Candidate): Promise<boolean> {
    if (candidate.kind !== "object") return false;
    if (differences(this.#form, candidate.object).length > 0) return false;
    return candidate.object.contentType === undefined || (await this.#hasSameBytes(candidate.id));
  }

  create(): Promise<ObjectId> {
    return this.#plan.target.create(this.#form, this.#content);
  }

  async complete(id: ObjectId, isNew: boolean): Promise<void> {
    const { target } = this.#plan;
    await target.complete(id, this.#content, isNew);
    await this.verify(id);
    await target.addConsumers(id, this.#content.consumers);
  }

  async verify(id: ObjectId): Promise<void> {
    if (await this.#hasSameBytes(id)) return;
    throw new KeyManagerError("integrity", `object ${id}: the target gives back other bytes`);
  }

  discard(id: ObjectId): Promise<void> {
    return this.#plan.target.delete(id);
  }

  async #hasSameBytes(id: ObjectId): Promise<boolean> {
    const { source, target } = this.#plan;
    const { bytes } = this.#content;
    const asIs = source.keeps === "wire" && target.keeps === "wire";
    return isSameBytes(this.#form.type, bytes, await target.bytes(id), asIs);
  }
}

export function containerItem(
  plan: CopyPlan,
  ends: { readonly source: ContainerAdapter; readonly target: ContainerAdapter },
  listed: ListedContainer,
): TransferItem {
  const { id: sourceId, name, type, consumers } = listed;
  return {
    kind: "container",
    sourceId,
    name,
    type,
    refusal: isContainerType(type) ? undefined : orderedOnly,
    async load() {
      if (!isContainerType(type)) throw new Skipped(orderedOnly);
      const members = listed.members.map((member) => {
        const secretId = plan.copyOf(member.secretId);
        if (secretId !== undefined) return { name: member.name, secretId };
        throw new Skipped(`its member ${member.secretId} has no copy`);
      });
      const access = mapped(plan, await ends.source.access(sourceId));
      const form: ContainerForm = { type, name, members };
      return {
        isCopy: async (candidate) =>
          candidate.kind === "container" && isSameContainer(form, candidate.container),
        create: () => ends.target.create(form),
        complete: (id) => ends.target.complete(id, access, consumers),
        verify: async () => {},
        discard: (id) => ends.target.delete(id),
      };
    },
  };
}

const orderedOnly = "only an order can make a container of its type";

function isContainerType(type: string): type is ContainerType {
  return type === "generic" || type === "rsa" || type === "certificate";
}

function isSameContainer(form: ContainerForm, other: ListedContainer): boolean {
  return (
    form.type === other.type && form.name === other.name && membersOf(form) === membersOf(other)
  );
}

function membersOf({ members }: Pick<ContainerForm, "members">): string {
  const lines = members.map(({ name = "", secretId }) => `${secretId} ${name}`);
  return lines.toSorted().join("\n");
}

function mapped({ users }: CopyPlan, { projectAccess, userIds }: ReadAccess): ReadAccess {
  return { projectAccess, userIds: userIds.map((id) => users.get(id) ?? id) };
}
