/** The database under Keystone and Barbican: MariaDB on a directory of the lab's own, or two SQLite files. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Daemons } from "../host/daemons.ts";
import { runTool } from "../host/run-tool.ts";
import { waitFor } from "../host/wait-for.ts";
import type { LabLayout } from "./layout.ts";

/** SQLAlchemy URLs. */
export interface DatabaseUrls {
  readonly keystone: string;
  readonly barbican: string;
}

/** Starts it and makes both databases. @param password of both database users */
export async function startDatabase(
  lab: LabLayout,
  daemons: Daemons,
  password: string,
): Promise<DatabaseUrls> {
  if (lab.database === "mariadb") return startMariadb(lab, daemons, password);
  return {
    keystone: `sqlite:///${join(lab.directory, "keystone.sqlite")}`,
    barbican: `sqlite:///${join(lab.directory, "barbican.sqlite")}`,
  };
}

async function startMariadb(
  lab: LabLayout,
  daemons: Daemons,
  password: string,
): Promise<DatabaseUrls> {
  const data = join(lab.directory, "mariadb");
  const socket = join(lab.directory, "run", "mariadb.sock");
  if (!existsSync(join(data, "mysql"))) {
    mkdirSync(data, { recursive: true, mode: 0o700 });
    runTool("mariadb-install-db", [
      "--no-defaults",
      "--user=root",
      `--datadir=${data}`,
      "--auth-root-authentication-method=socket",
      "--skip-test-db",
    ]);
  }
  await daemons.start("mariadb", {
    command: "/usr/sbin/mariadbd",
    args: [
      "--no-defaults",
      "--user=root",
      `--datadir=${data}`,
      `--socket=${socket}`,
      "--bind-address=127.0.0.1",
      `--port=${lab.databasePort}`,
      "--skip-name-resolve",
      "--innodb-buffer-pool-size=128M",
      "--max-connections=300",
      "--character-set-server=utf8mb3",
      "--collation-server=utf8mb3_general_ci",
    ],
  });
  const sql = ["keystone", "barbican"]
    .map(
      (name) =>
        `create database if not exists ${name};` +
        `create user if not exists ${name}@'127.0.0.1' identified by '${password}';` +
        `grant all on ${name}.* to ${name}@'127.0.0.1';`,
    )
    .join("");
  await waitFor("MariaDB", 60, () => {
    const client = spawnSync("mariadb", ["--no-defaults", "-uroot", "-S", socket], {
      input: sql,
      encoding: "utf8",
    });
    if (client.status !== 0) throw new Error(client.stderr);
    return true;
  });
  const url = (name: string) =>
    `mysql+pymysql://${name}:${password}@127.0.0.1:${lab.databasePort}/${name}?charset=utf8`;
  return { keystone: url("keystone"), barbican: url("barbican") };
}
