export { KeyManagerError, type KeyManagerErrorCode } from "./errors.ts";
export { SecretBytes } from "./secret-bytes.ts";
