import type { Caller } from "./caller.ts";
import type {
  Consumer,
  ManagedObject,
  ObjectId,
  ObjectInfo,
  ObjectType,
  StoredObject,
} from "./managed-object.ts";

/** Options of every call. */
export interface CallOptions {
  /** Ends the call with `unavailable`; what it has already created is removed first. */
  readonly signal?: AbortSignal | undefined;
}

/** A symmetric key for the backend to generate. */
export interface SymmetricKeySpec {
  /** `aes`, `hmacsha256`, … in lower case. */
  readonly algorithm: string;
  /** In bits. For AES-XTS both halves: 256 or 512. */
  readonly bitLength: number;
  /** Default: `xts` for an AES key of more than 256 bits, else none. */
  readonly mode?: string | undefined;
  /** Default: a name that no other object has. */
  readonly name?: string | undefined;
  /**
   * The caller guarantees that none of its other objects ever has this `name`, so that
   * what a lost reply left behind can be found by it and removed. Default false;
   * a name that the backend's adapter made is always unique.
   */
  readonly nameIsUnique?: boolean | undefined;
  readonly expiration?: Date | undefined;
}

/** A key pair for the backend to generate: `rsa` 2048, 3072 or 4096. */
export type KeyPairSpec = Omit<SymmetricKeySpec, "mode">;

/** The two objects that a key pair is. */
export interface KeyPairIds {
  readonly privateKeyId: ObjectId;
  readonly publicKeyId: ObjectId;
}

/** Which objects to list; what is absent does not restrict. */
export interface ListFilter {
  readonly type?: ObjectType | undefined;
  /** The whole name, exactly. */
  readonly name?: string | undefined;
}

export interface DeleteOptions extends CallOptions {
  /** Deletes the object although consumers need it. Default false. */
  readonly force?: boolean | undefined;
}

/**
 * Keeps managed objects in one backend: Barbican, Vault, a file.
 *
 * An implementation may be called concurrently, holds no secret bytes between
 * calls, keeps projects apart, and rejects only with a `KeyManagerError`. Of an
 * object that the caller may not see it says `not_found` or `forbidden`, and
 * nothing more. The suite in `@chatelaine/keys/conformance` checks all of it.
 */
export interface KeyManager {
  /** What configurations and messages call the backend: `barbican`. */
  readonly backend: string;

  /**
   * Where the backend keeps the caller's objects, for messages and reports: an endpoint and a project. Two callers see the
   * same objects exactly if this text is the same. It contains no secret.
   */
  location(caller: Caller, options?: CallOptions): Promise<string>;

  /**
   * Generates a key inside the backend, where it can, so that the bytes never
   * cross the network. If it rejects, no key is left behind.
   *
   * @throws `unsupported` if the backend has no such algorithm or length.
   */
  createKey(caller: Caller, spec: SymmetricKeySpec, options?: CallOptions): Promise<ObjectId>;

  /** Generates both keys of a pair; if it rejects, neither is left behind. */
  createKeyPair(caller: Caller, spec: KeyPairSpec, options?: CallOptions): Promise<KeyPairIds>;

  /**
   * Stores bytes made elsewhere. Resolves only once the backend has confirmed the write.
   *
   * @throws `invalid_argument` if the bytes do not fit the object's type or stated length.
   */
  store(caller: Caller, object: ManagedObject, options?: CallOptions): Promise<ObjectId>;

  /** A second object with the same bytes and attributes, owned by the caller; without consumers. */
  copy(caller: Caller, id: ObjectId, options?: CallOptions): Promise<ObjectId>;

  /** Fetches one object with its secret bytes. */
  get(caller: Caller, id: ObjectId, options?: CallOptions): Promise<StoredObject>;

  /** Fetches what is known of an object, without its secret bytes. */
  describe(caller: Caller, id: ObjectId, options?: CallOptions): Promise<ObjectInfo>;

  /** Yields all of the caller's objects in creation order, page by page behind the scenes. */
  list(caller: Caller, filter?: ListFilter, options?: CallOptions): AsyncIterable<ObjectInfo>;

  /** @throws `in_use` if consumers still need the object. */
  delete(caller: Caller, id: ObjectId, options?: DeleteOptions): Promise<void>;
}

/** An ability that some backends have. Check with {@link tracksConsumers}; no method throws "not implemented". */
export interface ConsumerTracking {
  /** Registers who needs the object. Doing it twice is the same as once. */
  addConsumer(
    caller: Caller,
    id: ObjectId,
    consumer: Consumer,
    options?: CallOptions,
  ): Promise<void>;
  /** @throws `not_found` if it was not registered. */
  removeConsumer(
    caller: Caller,
    id: ObjectId,
    consumer: Consumer,
    options?: CallOptions,
  ): Promise<void>;
}

/** Whether a backend knows who needs an object. */
export function tracksConsumers(manager: KeyManager): manager is KeyManager & ConsumerTracking {
  return "addConsumer" in manager && "removeConsumer" in manager;
}

/** The readers of an object, in addition to its creator. */
export interface ReadAccess {
  /** True if every authorised member of the project may read it. */
  readonly projectAccess: boolean;
  /** Ids of users, of any project, who may read it. */
  readonly userIds: readonly string[];
}

/** Read grants. Ask with {@link grantsAccess}. */
export interface AccessGrants {
  /** The grants as they stand. */
  readAccess(caller: Caller, id: ObjectId, options?: CallOptions): Promise<ReadAccess>;
  /** Replaces the grants as a whole. */
  setReadAccess(
    caller: Caller,
    id: ObjectId,
    access: ReadAccess,
    options?: CallOptions,
  ): Promise<void>;
}

/** Whether a backend can let others read an object. */
export function grantsAccess(manager: KeyManager): manager is KeyManager & AccessGrants {
  return "readAccess" in manager && "setReadAccess" in manager;
}
