/** Starts on the data directory of an old server, and is killed in the middle of tagging its rows. */
import { systemClock } from "../../src/model/clock.ts";
import { openRootKeys } from "../../src/parts/open-root-keys.ts";
import { openStore } from "../../src/parts/open-store.ts";
import { openRowTags } from "../../src/row-tagging/open-row-tags.ts";
import { oldConfig } from "./old-server.ts";

const [folder = "", dieAt = ""] = process.argv.slice(2);
const config = oldConfig(folder);
const store = await openStore(config, systemClock());
await openRowTags(store, await openRootKeys(config, store), systemClock(), {
  untaggedRows: "tag",
  onProgress: ({ table }) => {
    if (table === dieAt) process.kill(process.pid, "SIGKILL");
  },
});
