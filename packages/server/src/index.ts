export { createKeyServer, type KeyServer, type KeyServerParts } from "./server.ts";
