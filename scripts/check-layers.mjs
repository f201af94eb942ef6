// Who may import whom, and no import cycles. ARCHITECTURE.md draws the same picture; this is what enforces it.
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** Package → the packages of this workspace that its source may import. */
export const allowed = {
  keys: [],
  luks: [],
  volumes: ["@chatelaine/keys", "@chatelaine/luks"],
  server: ["@chatelaine/keys"],
  cli: ["@chatelaine/keys", "@chatelaine/luks", "@chatelaine/volumes", "@chatelaine/server"],
  console: [],
};

/** Folder prefix → the folders that its files may not reach, and why. */
export const forbidden = [
  {
    from: "packages/server/src/routes/",
    to: "packages/server/src/store/",
    why: "a route never sees the store",
  },
  {
    from: "packages/server/src/routes/",
    to: "packages/server/src/crypto/",
    why: "a route never sees key material",
  },
  {
    from: "packages/server/src/store/",
    to: "packages/server/src/services/",
    why: "the store is below the services",
  },
  {
    from: "packages/server/src/crypto/",
    to: "packages/server/src/services/",
    why: "crypto is below the services",
  },
  {
    from: "packages/keys/src/barbican/client/",
    to: "packages/keys/src/barbican/key-manager.ts",
    why: "the REST client knows the wire only",
  },
];

/** Only these files may read the environment: configuration has one door a program. */
const readsEnvironment = [
  "packages/cli/src/config/config.ts",
  "packages/server/src/config/config.ts",
];

/** Checks a map of path → source text; returns one line a violation. */
export function violations(files) {
  const found = [];
  const graph = new Map();
  for (const [path, text] of files) {
    const owner = path.split("/")[1];
    const targets = [];
    for (const specifier of importsOf(text)) {
      if (specifier.startsWith(".")) {
        const target = normalize(join(dirname(path), specifier));
        targets.push(target);
        const rule = forbidden.find((r) => path.startsWith(r.from) && target.startsWith(r.to));
        if (rule) found.push(`${path}: imports ${target}: ${rule.why}`);
        if (!target.startsWith(`packages/${owner}/src/`))
          found.push(`${path}: imports ${target}: outside its package`);
      } else if (specifier.startsWith("@chatelaine/") || specifier === "chatelaine") {
        const name = specifier.split("/").slice(0, 2).join("/");
        if (!allowed[owner]?.includes(name))
          found.push(
            `${path}: imports ${specifier}: ${owner} may import ${allowed[owner]?.join(", ") || "none of ours"}`,
          );
      }
    }
    graph.set(path, targets);
    if (/\bprocess\s*\.\s*env\b/.test(text) && !readsEnvironment.includes(path)) {
      found.push(`${path}: reads process.env: only ${readsEnvironment.join(" and ")} may`);
    }
  }
  for (const cycle of cyclesIn(graph)) found.push(`import cycle: ${cycle.join(" → ")}`);
  return found;
}

function importsOf(text) {
  const found = [];
  for (const match of text.matchAll(
    /(?:^|\n)\s*(?:import|export)\b[^;'"]*?from\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']|(?:^|\n)\s*import\s*["']([^"']+)["']/g,
  )) {
    found.push(match[1] ?? match[2] ?? match[3]);
  }
  return found;
}

function cyclesIn(graph) {
  const cycles = [];
  const state = new Map();
  const visit = (node, path) => {
    state.set(node, "open");
    for (const next of graph.get(node) ?? []) {
      if (state.get(next) === "open") cycles.push([...path.slice(path.indexOf(next)), next]);
      else if (!state.has(next)) visit(next, [...path, next]);
    }
    state.set(node, "done");
  };
  for (const node of graph.keys()) if (!state.has(node)) visit(node, [node]);
  return cycles;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const root = join(dirname(fileURLToPath(import.meta.url)), "..");
  const paths = globSync("packages/*/src/**/*.{ts,tsx}", { cwd: root });
  const found = violations(
    new Map(
      paths.map((path) => [
        relative(root, join(root, path)),
        readFileSync(join(root, path), "utf8"),
      ]),
    ),
  );
  for (const line of found) console.error(line);
  if (found.length > 0) process.exit(1);
  console.log(`layers: ${paths.length} source files, no forbidden import, no cycle`);
}
