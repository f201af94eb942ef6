/** A worker that reads `openapi.yaml` and posts it as JSON: parsing it takes longer than any request may block. */
import { readFileSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { parse } from "yaml";

const file = new URL("../../openapi.yaml", import.meta.url);
parentPort?.postMessage(JSON.stringify(parse(readFileSync(file, "utf8"))));
