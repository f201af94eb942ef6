// Who may import whom, and no import cycles. ARCHITECTURE.md draws the same picture; this is what enforces it.
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/**
 * Package → what of this workspace its source may import: a package with all its subpaths, or one subpath alone, so that
 * volumes and server cannot reach an adapter.
 */
export const allowed = {
  keys: [],
  luks: [],
  volumes: ["@chatelaine/keys/interface", "@chatelaine/luks"],
  server: ["@chatelaine/keys/interface"],
  cli: ["@chatelaine/keys", "@chatelaine/luks", "@chatelaine/volumes", "@chatelaine/server"],
  console: [],
};

/**
 * Package → its floors, from the top to the bottom. A file may import from its own floor's folder and from every floor
 * below, never from above. Folders on one floor stand side by side and may not import each other. A folder that is
 * listed without its subfolders includes them.
 */
export const floors = {
  keys: [
    ["index.ts"],
    ["open-key-manager.ts", "interface.ts"],
    ["conformance", "migration"],
    ["barbican", "fixed", "memory"],
    ["barbican/client"],
    ["keystone"],
    ["http"],
    ["model"],
  ],
  luks: [
    ["index.ts"],
    ["image"],
    ["data"],
    ["header"],
    ["luks1", "luks2"],
    ["format"],
    ["device"],
    ["in-use"],
    ["crypto"],
    ["wasm"],
    ["texts"],
    ["options.ts"],
    ["errors.ts"],
  ],
  volumes: [
    ["index.ts"],
    ["bulk", "conformance", "ephemeral-disk", "present", "reconcile"],
    ["volume"],
    ["operations"],
    ["engine"],
    ["record"],
    ["disk"],
    ["host"],
    ["key"],
    ["ledger/postgres"],
    ["ledger"],
    ["model"],
  ],
  server: [
    ["index.ts"],
    ["conformance", "startup"],
    ["maintenance", "maintenance/migrate-store"],
    ["parts"],
    ["http"],
    ["routes"],
    ["services"],
    ["orders"],
    ["identity"],
    ["observe"],
    ["audit"],
    ["row-tagging"],
    ["keyring"],
    ["store/postgres", "store/sqlite"],
    ["store/operations"],
    ["store"],
    ["audit/chain"],
    ["crypto"],
    ["config"],
    ["policy"],
    ["model"],
  ],
  cli: [["main.ts"], ["run.ts"], ["commands"], ["doctor", "start"], ["config"], ["terminal"]],
};

/** Arrows that point down and are still forbidden. */
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
    from: "packages/server/src/routes/",
    to: "packages/server/src/keyring/",
    why: "a route never sees key material",
  },
];

/** Folders that only some may import. Their own files may, too. */
export const reserved = [
  {
    folder: "packages/server/src/crypto/root-key/slots",
    for: [
      "packages/server/src/crypto/root-key/",
      "packages/server/src/parts/",
      "packages/server/src/startup/",
      "packages/server/src/maintenance/",
    ],
    why: "only the start and the maintenance know how the root key is opened; the others get the ring",
  },
];

/** Only these files may read the environment: configuration has one door a program. */
const readsEnvironment = [
  "packages/cli/src/config/settings.ts",
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
        const kept = reserved.find((r) => target.startsWith(r.folder));
        if (kept && !kept.for.some((folder) => path.startsWith(folder)))
          found.push(`${path}: imports ${target}: ${kept.why}`);
        const climb = climbs(owner, path, target);
        if (climb) found.push(`${path}: imports ${target}: ${climb}`);
        if (!target.startsWith(`packages/${owner}/src/`))
          found.push(`${path}: imports ${target}: outside its package`);
      } else if (specifier.startsWith("@chatelaine/") || specifier === "chatelaine") {
        const name = specifier.split("/").slice(0, 2).join("/");
        if (!allowed[owner]?.some((entry) => entry === specifier || entry === name))
          found.push(
            `${path}: imports ${specifier}: ${owner} may import ${allowed[owner]?.join(", ") || "none of ours"}`,
          );
      }
    }
    graph.set(path, targets);
    if (floors[owner] && !placeOf(owner, path))
      found.push(`${path}: is on no floor: add its folder to the floors of ${owner}`);
    if (/\bprocess\s*\.\s*env\b/.test(text) && !readsEnvironment.includes(path)) {
      found.push(`${path}: reads process.env: only ${readsEnvironment.join(" and ")} may`);
    }
  }
  for (const cycle of cyclesIn(graph)) found.push(`import cycle: ${cycle.join(" → ")}`);
  return found;
}

/** Why an import inside a package does not point down; undefined if it does. */
function climbs(owner, path, target) {
  const from = placeOf(owner, path);
  const to = placeOf(owner, target);
  if (!from || !to || from.folder === to.folder || from.floor < to.floor) return undefined;
  return from.floor === to.floor
    ? `${from.folder} and ${to.folder} stand side by side`
    : `${to.folder} is above ${from.folder}`;
}

/** The longest listed folder that a file is in, and its floor. */
function placeOf(owner, path) {
  const inside = path.slice(`packages/${owner}/src/`.length);
  const places = (floors[owner] ?? []).flatMap((folders, floor) =>
    folders.map((folder) => ({ folder, floor })),
  );
  return places
    .filter(({ folder }) => inside === folder || inside.startsWith(`${folder}/`))
    .toSorted((a, b) => b.folder.length - a.folder.length)[0];
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
