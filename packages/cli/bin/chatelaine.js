#!/usr/bin/env node
// Plain JavaScript that any Node.js can run, to say what is missing before anything newer is loaded.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 14)) {
  console.error(
    `chatelaine: this is Node.js ${process.versions.node}; it needs 22.14 or later (in a clone: npx chatelaine, or npm start)`,
  );
  process.exit(2);
}
// Before everything else is loaded, which takes a while: the signal would open a debugger to every account of the host.
process.on("SIGUSR1", () => undefined);
await import("../dist/main.js");
