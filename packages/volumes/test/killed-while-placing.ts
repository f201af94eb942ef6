// A process that is killed on a file system without hard links, when a volume's name is taken and its file is not there
// yet. Argument: the folder.
import { join } from "node:path";
import { MemoryKeyManager } from "@chatelaine/keys";
import { createVolume, openLedger } from "../src/index.ts";
import { refuseHardLinks, replaceInFs } from "./no-hard-links.ts";

const [directory = ""] = process.argv.slice(2);
const caller = { type: "project", projectId: "a", userId: "alice" } as const;
const ledger = openLedger({ path: join(directory, "state", "ledger.sqlite") });
const keyManager = new MemoryKeyManager({ warn: () => undefined });
refuseHardLinks("EPERM");
replaceInFs("rename", () => async () => {
  process.kill(process.pid, "SIGKILL");
});
const path = join(directory, "volume.img");
await createVolume({ keyManager, caller, ledger }, { path, sizeBytes: 4096 });
