import { createPrivateKey, X509Certificate } from "node:crypto";
import { statSync } from "node:fs";
import { type ServerConfig } from "../config/config.ts";
import { readSettingFile } from "../config/read-setting-file.ts";
import { type Certificate, refuseUnusable } from "../http/tls.ts";
import { ServerError } from "../model/server-error.ts";

/**
 * The certificate that the configuration names, and its key; undefined for plain HTTP.
 *
 * @throws `invalid_config` if a file cannot be read, everybody may read the key, the two do not belong together, or the chain is
 *   broken
 */
export function openTls(config: ServerConfig): Certificate | undefined {
  const certificateFile = config.text("tls.certificateFile");
  const keyFile = config.text("tls.keyFile");
  if (certificateFile === undefined || keyFile === undefined) return undefined;
  const cert = readSettingFile("tls.certificateFile", certificateFile);
  const key = readSettingFile("tls.keyFile", keyFile);
  refuseIfPublic(keyFile);
  if (!belongTogether(cert, key))
    throw new ServerError(
      "invalid_config",
      `tls.keyFile ${keyFile}: it is not the key of the first certificate in ${certificateFile}; set a certificate and key that belong together`,
    );
  const certificate = { cert, key };
  try {
    refuseUnusable(certificate);
  } catch (cause) {
    throw new ServerError(
      "invalid_config",
      `tls.certificateFile ${certificateFile}: no server can use the chain: ${(cause as Error).message}`,
      { cause },
    );
  }
  return certificate;
}

/** A group may read it, as on Debian, and as a credential of systemd looks; the world may not. */
function refuseIfPublic(keyFile: string): void {
  const mode = statSync(keyFile).mode & 0o777;
  if ((mode & 0o007) !== 0)
    throw new ServerError(
      "invalid_config",
      `tls.keyFile ${keyFile}: mode ${mode.toString(8)} lets other users read it; run: chmod 600 ${keyFile}`,
    );
}

function belongTogether(cert: Buffer, key: Buffer): boolean {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ServerError(
      "invalid_config",
      `tls: certificate or key is not PEM, or has a passphrase: ${reason}`,
      {
        cause,
      },
    );
  }
}
