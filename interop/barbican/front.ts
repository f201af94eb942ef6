/** uWSGI workers behind nginx, the usual production shape: nginx keeps client connections, uWSGI runs the Python. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DaemonCommand, Daemons } from "../host/daemons.ts";
import type { LabLayout } from "./layout.ts";

/** The services and the ports on which nginx serves them. */
function services(lab: LabLayout): readonly (readonly [name: string, port: number])[] {
  return [
    ["keystone", lab.keystonePort],
    ["barbican-legacy", lab.legacyPort],
    ["barbican-secure", lab.securePort],
  ];
}

/** A uWSGI server for one Python application, on the socket that {@link startNginx} forwards to. */
export function uwsgi(
  lab: LabLayout,
  name: string,
  wsgiFile: string,
  shape: { processes: number; threads: number; env: Readonly<Record<string, string>> },
): DaemonCommand {
  return {
    command: "/usr/bin/uwsgi-core",
    args: [
      ..."--plugin python3 --master --lazy-apps --thunder-lock --enable-threads".split(" "),
      ..."--die-on-term --skip-atexit --no-orphans --disable-logging".split(" "),
      ..."--buffer-size 65535 --post-buffering 65536 --listen 100 --chmod-socket=666".split(" "),
      ...`--processes ${shape.processes} --threads ${shape.threads}`.split(" "),
      "--socket",
      join(lab.directory, "run", `${name}.sock`),
      "--wsgi-file",
      wsgiFile,
    ],
    env: shape.env,
  };
}

// Debian's own parameter list drops the port from HTTP_HOST, so that Keystone's links lose it, and sends no
// SCRIPT_NAME, which Paste's urlmap needs.
const parameters = {
  QUERY_STRING: "$query_string",
  REQUEST_METHOD: "$request_method",
  CONTENT_TYPE: "$content_type",
  CONTENT_LENGTH: "$content_length",
  REQUEST_URI: "$request_uri",
  PATH_INFO: "$document_uri",
  SCRIPT_NAME: '""',
  SERVER_PROTOCOL: "$server_protocol",
  REQUEST_SCHEME: "$scheme",
  REMOTE_ADDR: "$remote_addr",
  REMOTE_PORT: "$remote_port",
  SERVER_PORT: "$server_port",
  SERVER_NAME: "$server_addr",
  HTTP_HOST: "$http_host",
};

/** One nginx for all services. */
export async function startNginx(lab: LabLayout, daemons: Daemons): Promise<void> {
  const path = (name: string) => join(lab.directory, name);
  const forward = Object.entries(parameters).map(([key, value]) => `uwsgi_param ${key} ${value};`);
  const servers = services(lab).map(
    ([name, port]) => `
  server {
    listen 127.0.0.1:${port} backlog=1024;
    client_max_body_size 0;
    merge_slashes off;
    location / { uwsgi_pass unix:${path(`run/${name}.sock`)}; uwsgi_read_timeout 120; }
  }`,
  );
  const temporary = ["client_body", "uwsgi", "proxy", "fastcgi", "scgi"].map(
    (kind) => `${kind}_temp_path ${path(`run/nginx-${kind}`)};`,
  );
  writeFileSync(
    path("nginx.conf"),
    `daemon off;
user root;
worker_processes 1;
pid ${path("run/nginx-own.pid")};
error_log ${path("log/nginx-error.log")};
events { worker_connections 2048; }
http {
  access_log off;
  keepalive_requests 1000000;
  underscores_in_headers on;
  default_type application/octet-stream;
  ${temporary.join("\n  ")}
  ${forward.join("\n  ")}${servers.join("")}
}
`,
  );
  await daemons.start("nginx", {
    command: "/usr/sbin/nginx",
    args: ["-c", path("nginx.conf"), "-e", path("log/nginx-error.log")],
  });
}
