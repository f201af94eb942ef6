export { keepsTheKeyManagerPromises, type Setting } from "./promises.ts";
