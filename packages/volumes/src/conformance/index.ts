export { keepsTheLedgerPromises } from "./ledger-promises.ts";
export type { LedgerSetting } from "./scene.ts";
