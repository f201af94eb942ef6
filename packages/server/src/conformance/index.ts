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
