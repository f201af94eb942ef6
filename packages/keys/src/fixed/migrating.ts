import type { AccessGrants, ConsumerTracking, KeyManager } from "../model/key-manager.ts";
import { grantsAccess, tracksConsumers } from "../model/key-manager.ts";
import { fixedKeyId, type ObjectId, objectId } from "../model/managed-object.ts";
import type { FixedKeyManager } from "./key-manager.ts";

/**
 * Serves the fixed key's id from `fixed`, and everything else from `backend`, so
 * that old volumes open while new ones get keys of their own.
 *
 * It has the abilities of `backend`. The fixed key itself has no consumers and
 * no grants: for it, registering a consumer does nothing.
 */
export function migratingKeyManager(fixed: FixedKeyManager, backend: KeyManager): KeyManager {
  const of = (id: ObjectId): KeyManager => (isFixed(id) ? fixed : backend);
  const manager: KeyManager = {
    backend: backend.backend,
    location: (...call) => backend.location(...call),
    createKey: (...call) => backend.createKey(...call),
    createKeyPair: (...call) => backend.createKeyPair(...call),
    store: (...call) => backend.store(...call),
    list: (...call) => backend.list(...call),
    get: async (caller, id, options) => of(id).get(caller, id, options),
    describe: async (caller, id, options) => of(id).describe(caller, id, options),
    delete: async (caller, id, options) => of(id).delete(caller, id, options),
    // A copy of the fixed key is how a volume first gets an object of its own.
    copy: async (caller, id, options) =>
      isFixed(id)
        ? backend.store(caller, await fixed.get(caller, id), options)
        : backend.copy(caller, id, options),
  };
  return {
    ...manager,
    ...(tracksConsumers(backend) && consumersOf(backend)),
    ...(grantsAccess(backend) && grantsOf(backend)),
  };
}

/** Also if the id is a whole reference that ends in it. */
function isFixed(id: ObjectId): boolean {
  return objectId(id) === fixedKeyId;
}

function consumersOf(backend: ConsumerTracking): ConsumerTracking {
  return {
    addConsumer: async (caller, id, consumer, options) => {
      if (!isFixed(id)) await backend.addConsumer(caller, id, consumer, options);
    },
    removeConsumer: async (caller, id, consumer, options) => {
      if (!isFixed(id)) await backend.removeConsumer(caller, id, consumer, options);
    },
  };
}

function grantsOf(backend: AccessGrants): AccessGrants {
  return {
    readAccess: (...call) => backend.readAccess(...call),
    setReadAccess: (...call) => backend.setReadAccess(...call),
  };
}
