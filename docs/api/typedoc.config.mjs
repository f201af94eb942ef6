// Generates the API reference from the comments of what the packages export: `npm run docs` writes it to docs/api/made. It
// fails if an export has no comment, or if a type that an export names is not exported.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Converter, makeRecursiveVisitor } from "typedoc";

const packages = ["keys", "luks", "volumes", "server", "cli"].map((folder) => {
  const url = new URL(`../../packages/${folder}/package.json`, import.meta.url);
  return { url, ...JSON.parse(readFileSync(url, "utf8")) };
});
const names = packages.map(({ name }) => name);

/** The file of its types, by what a program imports. */
const entries = new Map(
  packages.flatMap(({ url, name, exports }) =>
    Object.entries(exports).map(([path, { types }]) => [
      `${name}${path.slice(1)}`,
      fileURLToPath(new URL(types, url)),
    ]),
  ),
);

/** Pages are named after what is imported, not after the file that it is in. */
function nameModules(app) {
  app.converter.on(Converter.EVENT_CREATE_DECLARATION, (_, reflection) => {
    const file = reflection.parent?.isProject() && reflection.sources?.[0]?.fullFileName;
    const specifier = [...entries.keys()].find((each) => entries.get(each) === file);
    if (specifier !== undefined) reflection.name = specifier;
  });
}

/** Who may name a function may name what it takes. TypeDoc's own check ends at a package's border. */
function refuseUnexportedTypes(app) {
  app.converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => {
    for (const reflection of Object.values(project.reflections)) {
      const reference = (type) => {
        if (type.reflection || type.refersToTypeParameter || !names.includes(type.package)) return;
        app.logger.validationWarning(`${reflection.getFullName()}: ${type.name} is not exported`);
      };
      reflection.type?.visit(makeRecursiveVisitor({ reference }));
      // Where something is defined in dist helps nobody.
      delete reflection.sources;
    }
  });
}

const table = "table";

// oxlint-disable-next-line import/no-default-export -- typedoc wants it
export default {
  name: "API reference",
  entryPoints: [...entries.values()],
  plugin: ["typedoc-plugin-markdown", nameModules, refuseUnexportedTypes],
  out: "made",
  router: "module",
  readme: "none",
  disableGit: true,
  sourceLinkTemplate: "{path}",
  excludeExternals: true,
  excludeInternal: true,
  excludePrivate: true,
  // The workspace's own compiler has found them.
  skipErrorChecking: true,

  requiredToBeDocumented: ["Variable", "Function", "Class", "Interface", "TypeAlias"],
  packagesRequiringDocumentation: names,
  validation: { invalidLink: true, notDocumented: true },
  treatValidationWarningsAsErrors: true,

  sort: ["source-order"],
  sortEntryPoints: false,
  groupOrder: ["Functions", "Classes", "Interfaces", "Type Aliases", "Variables"],
  hideBreadcrumbs: true,
  hidePageHeader: true,
  useCodeBlocks: true,
  classPropertiesFormat: table,
  interfacePropertiesFormat: table,
  parametersFormat: table,
  propertyMembersFormat: table,
  typeAliasPropertiesFormat: table,
  typeDeclarationFormat: table,
  tableColumnSettings: {
    hideDefaults: true,
    hideInherited: true,
    hideModifiers: true,
    hideOverrides: true,
    hideSources: true,
    leftAlignHeaders: true,
  },
};
