import type { ContainerConsumer } from "../barbican/client/consumers.ts";
import type { ContainerMember, ContainerType } from "../barbican/client/containers.ts";
import type { UserMetadata } from "../barbican/client/secret-metadata.ts";
import type { CallOptions, ReadAccess } from "../model/key-manager.ts";
import type { Consumer, ObjectId, ObjectType } from "../model/managed-object.ts";
import type { SecretBytes } from "../model/secret-bytes.ts";

/** What an object is known by on both sides: what it is made with, and cannot change afterwards. */
export interface ObjectForm {
  readonly type: ObjectType;
  readonly name: string | undefined;
  readonly algorithm: string | undefined;
  readonly bitLength: number | undefined;
  readonly mode: string | undefined;
  readonly expiration: Date | undefined;
}

/** An object in a side's list. */
export interface ListedObject extends ObjectForm {
  readonly id: ObjectId;
  /** Undefined: it has no bytes, as one that was registered only. */
  readonly contentType: string | undefined;
  readonly consumers: readonly Consumer[];
}

/** The parts of an object that are copied in addition to its form. */
export interface ObjectContent {
  /** As they cross Barbican's wire: PEM for keys and certificates. */
  readonly bytes: SecretBytes;
  readonly contentType: string;
  readonly metadata: UserMetadata;
  readonly access: ReadAccess;
  readonly consumers: readonly Consumer[];
}

/** A container in a side's list, read grants apart. */
export interface ListedContainer {
  readonly id: ObjectId;
  readonly type: string;
  readonly name: string | undefined;
  readonly members: readonly ContainerMember[];
  readonly consumers: readonly ContainerConsumer[];
}

/** A container to be made. */
export interface ContainerForm {
  readonly type: ContainerType;
  readonly name: string | undefined;
  readonly members: readonly ContainerMember[];
}

/** One side's containers. */
export interface ContainerAdapter {
  list(options: CallOptions): Promise<readonly ListedContainer[]>;
  access(id: ObjectId): Promise<ReadAccess>;
  create(form: ContainerForm): Promise<ObjectId>;
  /** Sets what can change; doing it twice is the same as once. */
  complete(
    id: ObjectId,
    access: ReadAccess,
    consumers: readonly ContainerConsumer[],
  ): Promise<void>;
  delete(id: ObjectId): Promise<void>;
}

/** One side of a migration: what it takes to carry objects out of a key manager, or into it. */
export interface MigrationAdapter {
  /** `wire`: it keeps the bytes as Barbican's wire has them. `object`: keys and certificates as DER, in whatever form. */
  readonly keeps: "wire" | "object";
  /** False: an object without a name is given one. */
  readonly keepsUnnamed: boolean;
  list(options: CallOptions): AsyncIterable<ListedObject>;
  content(object: ListedObject): Promise<ObjectContent>;
  /** Only the bytes, as in {@link ObjectContent}. */
  bytes(id: ObjectId): Promise<SecretBytes>;
  /** What this side cannot keep of an object, so that it must not be carried over; undefined if nothing is lost. */
  refusal(content: ObjectContent): string | undefined;
  /** Makes an object of that form, possibly without its bytes and the rest; {@link complete} does what is left. */
  create(form: ObjectForm, content: ObjectContent): Promise<ObjectId>;
  /**
   * Gives an object that was made all that it lacks, bytes included; consumers
   * come last, as they keep it from being deleted. Doing it twice is the same as once.
   *
   * @param isNew false: it may have been completed in part
   */
  complete(id: ObjectId, content: ObjectContent, isNew: boolean): Promise<void>;
  /** Registers who needs the object. */
  addConsumers(id: ObjectId, consumers: readonly Consumer[]): Promise<void>;
  delete(id: ObjectId): Promise<void>;
  /** Undefined if the backend has no containers. */
  readonly containers: ContainerAdapter | undefined;
}

/** What an object has of which nothing was said. */
export const projectReads: ReadAccess = { projectAccess: true, userIds: [] };

export function isDefaultAccess({ projectAccess, userIds }: ReadAccess): boolean {
  return projectAccess && userIds.length === 0;
}
