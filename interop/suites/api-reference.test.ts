import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, it } from "node:test";
import { fileURLToPath } from "node:url";
import { runTool } from "../host/run-tool.ts";

const generator = fileURLToPath(new URL("../../docs/api", import.meta.url));
const output = mkdtempSync(join(tmpdir(), "chatelaine-api-reference-"));
after(() => rmSync(output, { recursive: true, force: true }));

it("generates the API reference: each export has a comment, and the types that it names are exported", () => {
  runTool("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: generator });
  const typedoc = join(generator, "node_modules/typedoc/bin/typedoc");
  runTool(process.execPath, [typedoc, "--out", output], { cwd: generator });
});
