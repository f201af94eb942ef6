/** What identity tests read, too. */
export { readAudit } from "../../src/conformance/store-promises.ts";
