export { keepsTheStorePromises } from "./store-promises.ts";
