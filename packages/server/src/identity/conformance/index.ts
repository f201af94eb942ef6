export { type IdentityScene, identityPromises } from "./identity-promises.ts";
