export const packageName = "cli";
