import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { root } from "./document.ts";

const layers = new URL("../../scripts/check-layers.mjs", import.meta.url).href;
const { floors } = (await import(layers)) as {
  readonly floors: Readonly<Record<string, readonly (readonly string[])[]>>;
};

describe("ARCHITECTURE.md", () => {
  const text = readFileSync(join(root, "ARCHITECTURE.md"), "utf8");
  const named = [...text.matchAll(/`([^`\s]+)`/g)].map((match) => match[1] ?? "");

  it("names files and folders that exist", () => {
    const paths = named.filter((name) => /^(?:packages|interop|scripts|docs)\//.test(name));
    assert.ok(paths.length > 30, `${paths.length} paths`);
    for (const path of paths)
      if (!path.includes("NAME")) assert.ok(existsSync(join(root, path)), `${path} does not exist`);
  });

  for (const [name, rows] of Object.entries(floors))
    it(`lists every floor of packages/${name}`, () => {
      const table = text.slice(text.indexOf(`| \`packages/${name}/src/\``)).split("\n\n")[0] ?? "";
      const listed = [...table.matchAll(/`([^`\s]+)`/g)].map((match) => match[1] ?? "").slice(1);
      const wanted = rows
        .flat()
        .filter((folder) => !/^(?:index|main|errors|options)\.ts$/.test(folder))
        .map((folder) => (folder.endsWith(".ts") ? folder : `${folder}/`));
      for (const folder of wanted)
        assert.ok(
          listed.some((entry) => folder === entry || (folder.startsWith(entry) && entry !== "")),
          `${folder} is not in the table`,
        );
      for (const entry of listed)
        if (/^[a-z][a-z0-9/-]*(?:\/|\.ts)$/.test(entry))
          assert.ok(wanted.includes(entry), `${entry} is not a floor`);
    });
});
