/** One key server as a process of its own: `node process.ts CONFIG.yaml`. Prints its URL once it listens; SIGTERM ends it. */
import { loadServerConfig, startServer } from "@chatelaine/server";

const file = process.argv[2];
if (file === undefined) throw new Error("usage: process.ts CONFIG.yaml");
const running = await startServer(loadServerConfig({ file, environment: {} }));
console.log(running.url);
process.once("SIGTERM", () => void running.close());
