/** PostgreSQL at the keyboard: `node interop/postgres/main.ts` starts it, prints the URL of a new database, and stops it at Ctrl-C. */
import { startPostgres } from "./postgres.ts";

const postgres = await startPostgres();
console.log(await postgres.createDatabase());
await new Promise<void>((resolve) => {
  const idle = setInterval(() => undefined, 60_000);
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => {
      clearInterval(idle);
      resolve();
    });
});
await postgres.stop();
