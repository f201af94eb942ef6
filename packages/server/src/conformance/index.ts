export {
  keepsTheSlotPromises,
  type SlotScene,
} from "../crypto/root-key/conformance/slot-promises.ts";
export { RootKeyError, type RootKeyErrorReason } from "../crypto/root-key/root-key-error.ts";
export type { RootKeySlotKind, SealedRootKey, SlotParameters } from "../crypto/root-key/slot.ts";
export type { TaggedValue } from "../model/tagged-value.ts";
export type {
  Operation,
  SqlValue,
  Statement,
  StatementResult,
  Steps,
  TagStep,
} from "../store/operation.ts";
export type { Store } from "../store/store.ts";
export { keepsTheStorePromises } from "./store-promises.ts";
