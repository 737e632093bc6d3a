import { describe, expect, it } from "vitest";
import { deleteComponent } from "./componentMount.ts";
import { namespaceOfPath, visibleComponents } from "./componentRows.ts";
import { componentDepthMax, componentInstancesMax } from "./componentTree.ts";
import { updateEnvironmentVariables } from "./configuration.ts";
import { loadDeployment } from "./loadDeployment.ts";
import { prepareAnalysis } from "./push.ts";
import { parsePushRequest } from "./pushRequest.ts";
import { activeSchema } from "./schemaState.ts";
import { systemFunctions } from "./systemFunctions.ts";
import { builtInVariables, finishApp, pushApp, startApp } from "./testing/appPush.ts";
import {
  appConfig,
  componentConfig,
  componentPushBody,
  functionsModule,
  type ConfigOptions,
  type DefinitionFiles,
  type Use,
} from "./testing/componentModules.ts";
import { TestDeployment } from "./testing/testDeployment.ts";

const notes = "../node_modules/notes";
const inner = "../node_modules/notes/inner";
const text = { type: "string" };
const schemaOf = (...indexes: string[]) => ({
  schemaValidation: true,
  tables: [
    {
      tableName: "items",
      indexes: indexes.map((name) => ({ indexDescriptor: name, fields: ["body"] })),
      searchIndexes: [],
      vectorIndexes: [],
      documentType: { type: "object", value: { body: { fieldType: text, optional: false } } },
    },
  ],
});
const notesModules = {
  "lib/items.js": functionsModule({ add: ["Mutation", "Public"], purge: ["Mutation", "Internal"] }),
};
const innerFiles: DefinitionFiles = { config: componentConfig("inner"), schema: schemaOf() };
const notesFiles: DefinitionFiles = {
  config: componentConfig("notes", [{ name: "inner", path: inner }]),
  uses: [inner],
  modules: notesModules,
  schema: schemaOf("by_body"),
};

/** An app that mounts the definition under these names. */
function appWith(names: readonly string[], schema = notesFiles.schema) {
  const uses = names.map((name): Use => ({ name, path: notes }));
  const files = { ...notesFiles, ...(schema === undefined ? {} : { schema }) };
  const components: Record<string, DefinitionFiles> =
    names.length === 0 ? {} : { [notes]: files, [inner]: innerFiles };
  return componentPushBody({ config: appConfig(uses), uses: names.length === 0 ? [] : [notes] }, components);
}

const components = (deployment: TestDeployment) =>
  deployment.commit((tx) => visibleComponents(tx).map(({ value }) => [value.path, value.state]));
const loaded = (deployment: TestDeployment) =>
  deployment.commit((tx) => loadDeployment(tx, builtInVariables)).components;

describe("mounting components", () => {
  it("gives each of several mounts, and what is nested in them, tables and indexes of their own", async () => {
    const deployment = new TestDeployment();
    const started = await startApp(deployment, appWith(["a", "b"]));
    expect(components(deployment)).toEqual([]);
    expect(started.analysis[notes]).toMatchObject({
      definition: {
        path: notes,
        exports: {
          branch: [
            [
              "lib",
              { branch: [["items", { branch: [["add", { leaf: "_reference/function/lib/items:add" }]] }]] },
            ],
          ],
        },
      },
    });
    expect(started.app).toMatchObject({
      childComponents: {
        a: { componentPath: "a", childComponents: { inner: { componentPath: "a/inner" } } },
      },
    });
    deployment.backfill();
    const { componentDiffs } = finishApp(deployment, started);
    const types = Object.entries(componentDiffs).map(([path, { diffType }]) => [path, diffType.type]);
    expect(types).toEqual([
      ["", "create"],
      ["a", "create"],
      ["a/inner", "create"],
      ["b", "create"],
      ["b/inner", "create"],
    ]);
    expect(componentDiffs["a"]?.indexDiff.added_indexes).toMatchObject([{ name: "items.by_body" }]);
    deployment.commit((tx) => {
      const [a, b] = [namespaceOfPath(tx, "a"), namespaceOfPath(tx, "b")];
      tx.insert(a, "items", { body: "only in a" });
      expect([tx.count(tx.table(a, "items")!), tx.count(tx.table(b, "items")!)]).toEqual([1, 0]);
      expect(tx.table(a, "items")?.number).toBe(tx.table(b, "items")?.number);
      for (const name of ["_storage", "_scheduled_functions"]) {
        expect(tx.table(a, name)?.number).toBe(tx.table("", name)?.number);
        expect(tx.table(a, name)?.tablet).not.toBe(tx.table("", name)?.tablet);
      }
      expect(() => tx.insert(a, "items", { body: 1 })).toThrow("does not match the schema");
    });
  });

  it("shares code among instances with equal variables, and changes nothing when nothing changed", async () => {
    const deployment = new TestDeployment();
    await pushApp(deployment, appWith(["a", "b"]));
    const before = loaded(deployment);
    const { commits } = deployment;
    const { componentDiffs } = await pushApp(deployment, appWith(["a", "b"]));
    expect(deployment.commits).toBe(commits);
    expect(componentDiffs["a"]).toMatchObject({
      diffType: { type: "modify" },
      moduleDiff: { added: [], removed: [] },
    });
    const after = loaded(deployment);
    expect(after.map(({ code }) => code.id)).toEqual(before.map(({ code }) => code.id));
    const [a, b] = ["a", "b"].map((path) => after.find(({ componentPath }) => componentPath === path));
    expect(a?.code.id).toBe(b?.code.id);
    expect(a?.namespace).not.toBe(b?.namespace);
  });

  it("does not analyse the modules of a component again that has not changed", async () => {
    const deployment = new TestDeployment();
    await pushApp(deployment, appWith(["a"]));
    const { random, clock } = deployment;
    const known = (body: Record<string, unknown>) =>
      deployment
        .commit((tx) => prepareAnalysis(tx, parsePushRequest(body), { random, clock, builtInVariables }))
        .components.map(({ definitionPath, known: modules }) => [
          definitionPath,
          modules && Object.keys(modules),
        ]);
    expect(known(appWith(["a"]))).toEqual([
      [notes, ["lib/items.js"]],
      [inner, null],
    ]);
    const changed = appWith(["a"]);
    const [component] = changed["componentDefinitions"] as { functions: { source: string }[] }[];
    component!.functions = component!.functions.map((module) => ({ ...module, source: `${module.source} ` }));
    expect(known(changed)).toEqual([
      [notes, null],
      [inner, null],
    ]);
  });

  it("builds indexes and checks documents in each namespace", async () => {
    const deployment = new TestDeployment();
    await pushApp(deployment, appWith(["a", "b"]));
    deployment.commit((tx) => tx.insert(namespaceOfPath(tx, "b"), "items", { body: "kept" }));
    const { componentDiffs } = await pushApp(deployment, appWith(["a", "b"], schemaOf("second")));
    for (const path of ["a", "b"])
      expect(componentDiffs[path]?.indexDiff.added_indexes).toMatchObject([{ name: "items.second" }]);
    const strict = schemaOf();
    strict.tables[0]!.documentType.value = { other: { fieldType: text, optional: false } } as never;
    await expect(pushApp(deployment, appWith(["a", "b"], strict))).rejects.toThrow(/"componentPath":"b"/);
    deployment.commit((tx) => {
      expect(activeSchema(tx, namespaceOfPath(tx, "b"))?.tables[0]?.indexes).toMatchObject([
        { indexDescriptor: "second" },
      ]);
    });
  });

  it("unmounts, mounts again with the data, and deletes", async () => {
    const deployment = new TestDeployment();
    await pushApp(deployment, appWith(["a", "b"]));
    const id = deployment.commit((tx) => {
      tx.insert(namespaceOfPath(tx, "a"), "items", { body: "stays" });
      return namespaceOfPath(tx, "a");
    });
    const diff = await pushApp(deployment, appWith(["b"]));
    expect(diff.componentDiffs["a"]).toMatchObject({
      diffType: { type: "unmount" },
      moduleDiff: { removed: ["lib/items.js"] },
    });
    expect(components(deployment)).toEqual([
      ["a", "unmounted"],
      ["a/inner", "unmounted"],
      ["b", "active"],
      ["b/inner", "active"],
    ]);
    expect((await pushApp(deployment, appWith(["a", "b"]))).componentDiffs["a"]?.diffType.type).toBe(
      "remount",
    );
    deployment.commit((tx) => {
      expect(namespaceOfPath(tx, "a")).toBe(id);
      expect(tx.count(tx.table(id, "items")!)).toBe(1);
    });
    expect(() => deployment.commit((tx) => deleteComponent(tx, id))).toThrow("The component a is mounted.");
    await pushApp(deployment, appWith([]));
    deployment.commit((tx) => {
      for (const { idText } of visibleComponents(tx)) deleteComponent(tx, idText);
    });
    expect(components(deployment)).toEqual([]);
    deployment.commit((tx) => expect(tx.catalog().tables(id)).toEqual([]));
  });

  it("forgets what a push that was never finished had allocated", async () => {
    const deployment = new TestDeployment();
    const abandoned = await startApp(deployment, appWith(["a"]));
    await pushApp(deployment, appWith(["b"]));
    const id = (abandoned.schemaChange.allocatedComponentIds as Record<string, string>)["a"] ?? "";
    deployment.commit((tx) => expect(tx.catalog().tables(id)).toEqual([]));
    expect(() => finishApp(deployment, abandoned)).toThrow(/Another push was finished/);
    const dry = await startApp(deployment, { ...appWith(["c"]), dryRun: true });
    expect(dry.schemaChange.allocatedComponentIds).toEqual({});
    expect(components(deployment)).toEqual([
      ["b", "active"],
      ["b/inner", "active"],
    ]);
  });

  it("is what the dashboard's component selector shows", async () => {
    const deployment = new TestDeployment();
    await pushApp(deployment, appWith(["a"]));
    const context = {
      componentPath: "",
      cloudUrl: "",
      siteUrl: "",
      cursorSecret: new Uint8Array(32),
      uploadSecret: new Uint8Array(32),
      client: null,
    };
    const run = (name: string, args = {}) =>
      deployment.commit((tx) =>
        systemFunctions.get(`_system/frontend/${name}`)?.(
          tx,
          { ...context, random: deployment.random, nowMs: 0, journal: null },
          args,
        ),
      );
    const list = run("components.js:list") as { id: string; name: string; path: string; state: string }[];
    expect(list).toMatchObject([
      { id: "", name: null, path: "", state: "active" },
      { name: "a", path: "a", state: "active" },
      { name: "inner", path: "a/inner", state: "active" },
    ]);
    const all = run("modules.js:listForAllComponents") as [string | null, [string, unknown][]][];
    expect(all.map(([id, modules]) => [id, modules.map(([path]) => path)])).toEqual([
      [null, []],
      [list[1]?.id, ["lib/items.js"]],
      [list[2]?.id, []],
    ]);
    expect(run("getSchemas.js:default", { componentId: list[1]?.id })).toHaveProperty("active");
  });
});

describe("environment of components", () => {
  const variables = (deployment: TestDeployment) =>
    Object.fromEntries(loaded(deployment).map(({ componentPath, code }) => [componentPath, code.env]));

  it("binds texts and variables of the parent, down the tree, and nothing else", async () => {
    const deployment = new TestDeployment();
    deployment.commit((tx) =>
      updateEnvironmentVariables(tx, [
        { name: "KEY", value: "secret" },
        { name: "OTHER", value: "hidden" },
      ]),
    );
    const body = componentPushBody(
      {
        config: appConfig([{ name: "a", path: notes, env: { TOKEN: { from: "KEY" }, MODE: "fast" } }], {
          env: { KEY: text },
          mounts: { "/a/": "a" },
        }),
        uses: [notes],
      },
      {
        [notes]: {
          config: componentConfig("notes", [{ name: "inner", path: inner, env: { T: { from: "TOKEN" } } }], {
            env: { TOKEN: text, MODE: text, "SPARE?": text },
          }),
          uses: [inner],
          modules: { "http.js": httpModule },
        },
        [inner]: { config: componentConfig("inner", [], { env: { T: text } }) },
      },
    );
    await pushApp(deployment, body);
    const { CONVEX_CLOUD_URL, CONVEX_SITE_URL } = builtInVariables;
    expect(variables(deployment)).toEqual({
      "": { KEY: "secret", OTHER: "hidden", CONVEX_CLOUD_URL, CONVEX_SITE_URL },
      a: { TOKEN: "secret", MODE: "fast", CONVEX_CLOUD_URL, CONVEX_SITE_URL: `${CONVEX_SITE_URL}/a` },
      "a/inner": { T: "secret", CONVEX_CLOUD_URL, CONVEX_SITE_URL: `${CONVEX_SITE_URL}/a` },
    });
  });
});

const httpModule = `export default { isRouter: true, getRoutes: () => [["/x", "GET", Object.assign(() => {}, { isHttp: true })]], lookup: () => null };`;

describe("definitions that do not fit together", () => {
  const literal = (value: string) => ({ type: "literal", value });
  async function refusal(
    uses: readonly Use[],
    options: ConfigOptions = {},
    component: DefinitionFiles = { config: componentConfig("notes") },
    pushOptions = {},
  ): Promise<string> {
    const deployment = new TestDeployment();
    const app = { config: appConfig(uses, options), uses: [notes] };
    try {
      await startApp(deployment, componentPushBody(app, { [notes]: component }, pushOptions));
    } catch (error) {
      expect(components(deployment)).toEqual([]);
      return (error as Error).message.replace(/^\w+: /, "").replace("Hit an error while pushing:\n", "");
    }
    return "accepted";
  }
  const declaring = (env: Readonly<Record<string, object>>): DefinitionFiles => ({
    config: componentConfig("notes", [], { env }),
  });
  const use = (env: Use["env"] = {}): readonly Use[] => [{ name: "a", path: notes, env }];

  it.each([
    [use({ NOPE: "x" }), {}, declaring({ T: text }), "Component a has no env var named NOPE"],
    [use(), {}, declaring({ T: text }), "Component a is missing required env var T"],
    [
      use({ T: "slow" }),
      {},
      declaring({ T: literal("fast") }),
      "Component a has an invalid value for env var T:",
    ],
    [
      use({ T: { from: "KEY" } }),
      {},
      declaring({ T: text }),
      "Component a env var T references undeclared parent env var KEY",
    ],
    [
      use({ T: { from: "KEY" } }),
      { env: { "KEY?": text } },
      declaring({ T: text }),
      "Component a env var T is required, but parent env var KEY is optional",
    ],
    [
      use({ T: { from: "KEY" } }),
      { env: { KEY: text } },
      declaring({ T: literal("fast") }),
      "Component a env var T validator is not satisfied by parent env var KEY validator",
    ],
    [
      [...use(), ...use()],
      {},
      { config: componentConfig("notes") },
      "Component (app) has multiple child components with the same name: a",
    ],
    [
      use(),
      { mounts: { "/a/": "b" } },
      { config: componentConfig("notes") },
      'HTTP mount /a/ is invalid: Child component "b" not found.',
    ],
    [
      use(),
      { mounts: { "/a/": "a" } },
      { config: componentConfig("notes") },
      "HTTP mount /a/ is invalid: Component a doesn't have any HTTP routes.",
    ],
    [
      [{ name: "a", path: "../elsewhere" }],
      {},
      { config: componentConfig("notes") },
      "Component a has a definition that is not part of the push: ../elsewhere",
    ],
    [
      [{ name: "not an identifier", path: notes }],
      {},
      { config: componentConfig("notes") },
      "Invalid component name: Identifier not an identifier has invalid character",
    ],
    [
      use(),
      {},
      { config: componentConfig("notes", [{ name: "again", path: notes }]) },
      `Component a/again uses its own definition: ${notes} -> ${notes}`,
    ],
    [
      use(),
      {},
      { config: "throw new Error('broken');" },
      `Hit an error while evaluating your convex.config.ts of the component ${notes}:\nUncaught Error: broken`,
    ],
    [
      use(),
      {},
      { config: appConfig() },
      `convex.config.ts of the component ${notes} must export a component`,
    ],
    [
      use(),
      {},
      { config: componentConfig("notes"), modules: { "lib.js": "throw new Error('at import');" } },
      `Loading the pushed modules encountered the following\n    error:\nFailed to analyze ${notes}/lib.js: Uncaught Error: at import`,
    ],
    [
      use(),
      {},
      { config: componentConfig("notes"), uses: [notes] },
      `Component definitions use each other in a circle: ${notes} -> ${notes}`,
    ],
  ] as const)("are refused: %#", async (uses, options, component, message) => {
    expect(await refusal(uses, options as ConfigOptions, component as DefinitionFiles)).toContain(message);
  });

  it("are refused beyond the limits of instances and nesting, and accepted up to them", async () => {
    const mounts = (count: number) =>
      Array.from({ length: count }, (_, index): Use => ({ name: `a${index}`, path: notes }));
    // Nothing is allocated for a rehearsal, which would take most of the time.
    const pushed = (count: number) => refusal(mounts(count), {}, undefined, { dryRun: true });
    expect(await pushed(componentInstancesMax)).toBe("accepted");
    expect(await pushed(componentInstancesMax + 1)).toBe(
      `Component a${componentInstancesMax} is one too many: an app may have ${componentInstancesMax}.`,
    );
    const chain = async (depth: number): Promise<unknown> => {
      const next = (level: number): Use[] =>
        level < depth ? [{ name: `c${level}`, path: `../level${level}` }] : [];
      const paths = (level: number) => next(level).map(({ path }) => path);
      const components = Array.from({ length: depth }, (_, level): [string, DefinitionFiles] => [
        `../level${level}`,
        { config: componentConfig(`c${level}`, next(level + 1)), uses: paths(level + 1) },
      ]);
      const body = componentPushBody(
        { config: appConfig(next(0)), uses: paths(0) },
        Object.fromEntries(components),
      );
      return await startApp(new TestDeployment(), body).then(() => "accepted");
    };
    expect(await chain(componentDepthMax)).toBe("accepted");
    await expect(chain(componentDepthMax + 1)).rejects.toThrow(
      `is nested too deeply (maximum ${componentDepthMax}).`,
    );
  });

  it("but code can be generated for one component without its variables", async () => {
    expect(await refusal(use(), {}, declaring({ T: text }), { forCodegen: true })).toBe("accepted");
  });

  it("refuses Node modules in components", async () => {
    const body = componentPushBody({ config: appConfig(use()), uses: [notes] }, { [notes]: notesFiles });
    const [component] = body["componentDefinitions"] as { functions: object[] }[];
    component?.functions.push({ path: "node.js", source: "", environment: "node" });
    await expect(startApp(new TestDeployment(), body)).rejects.toMatchObject({
      code: "NodeActionsNotSupported",
    });
  });
});
