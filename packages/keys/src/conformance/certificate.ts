/**
 * A self-signed certificate of a throw-away P-256 key, `CN=conformance`, valid for a hundred years.
 * Made with `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes`.
 */
export function certificateDer(): Uint8Array {
  return Buffer.from(base64.join(""), "base64");
}

const base64 = [
  "MIIBgzCCASmgAwIBAgIUIT72YT/0xs8koXINVmTpJrERuA4wCgYIKoZIzj0EAwIwFjEUMBIGA1UEAwwLY29uZm9ybW",
  "FuY2UwIBcNMjYxMTIzMTk0MTM0WhgPMjEyNjEwMzAxOTQxMzRaMBYxFDASBgNVBAMMC2NvbmZvcm1hbmNlMFkwEwYH",
  "KoZIzj0CAQYIKoZIzj0DAQcDQgAEGPGs7j4gRO2XWcabqpVbCFsTbxhVAWthFvyWgyAL4ZoRMCbzUcXQkQ28/E0f0J",
  "kkViTJFEccHOFs+/mmHA9jFqNTMFEwHQYDVR0OBBYEFDzrAunLBGvGqx6bO5TnMJsPCoxnMB8GA1UdIwQYMBaAFDzr",
  "AunLBGvGqx6bO5TnMJsPCoxnMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhALUfrlrtlu65DZkVYS",
  "pOfRORPh4MY4i1A0Floo5NXGGAAiBtAaMo/9jum/35bSpdsRv5D+a2iRf4I+dKj8rYMz6/0Q==",
];
