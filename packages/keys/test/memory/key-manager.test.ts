import { keepsTheKeyManagerPromises } from "../../src/conformance/index.ts";
import { MemoryKeyManager } from "../../src/index.ts";

keepsTheKeyManagerPromises("memory", async () => ({
  manager: new MemoryKeyManager({ warn: () => {} }),
  alice: { type: "project", projectId: "a", userId: "alice" },
  bob: { type: "project", projectId: "b", userId: "bob" },
  bobUserId: "bob",
}));
