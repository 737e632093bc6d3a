import { afterAll, beforeAll, expect, it } from "vitest";
import {
  appConfig,
  componentConfig,
  componentPushBody,
  functionsModule,
  type DefinitionFiles,
} from "../deploy/testing/componentModules.ts";
import { TestEngine } from "../engine/testEngine.ts";
import type { JsonBody, PushService } from "../http/services.ts";
import { createPushService } from "./pushService.ts";

const notes = "../node_modules/notes";
const schema = {
  schemaValidation: true,
  tables: [
    { tableName: "items", indexes: [{ indexDescriptor: "by_body", fields: ["body"] }], documentType: null },
  ],
};
const http = `export default { isRouter: true, getRoutes: () => [["/x", "GET", Object.assign(() => {}, { isHttp: true })]], lookup: () => null };`;

let engine: TestEngine;
let service: PushService;
beforeAll(async () => {
  engine = await TestEngine.start(null);
  service = createPushService(engine.client, {
    setTimeout: (callback, delayMs) => {
      const timer = setTimeout(callback, delayMs);
      return () => clearTimeout(timer);
    },
  });
});
afterAll(() => engine.dispose());

/** The engine side works only while somebody settles it; the analysis is a process of its own. */
async function answered<T>(promise: Promise<T>): Promise<T> {
  const outcome = promise.then(
    () => true,
    () => true,
  );
  const pause = () => new Promise<false>((resolve) => setTimeout(() => resolve(false), 1));
  do await engine.settle();
  while (!(await Promise.race([outcome, pause()])));
  return await promise;
}

const bodyWith = (modules: Readonly<Record<string, string>>): JsonBody =>
  componentPushBody(
    {
      config: appConfig([{ name: "a", path: notes }], { mounts: { "/a/": "a" } }),
      uses: [notes],
      schema,
      modules: { "m.js": functionsModule({ add: ["Mutation", "Public"] }) },
    },
    { [notes]: { config: componentConfig("notes"), schema, modules } satisfies DefinitionFiles },
  );

it("evaluates schemas without the functions, which start_push then refuses", async () => {
  const body = bodyWith({ "http.js": http, "broken.js": 'throw new Error("at import");' });
  const added = { indexes: [{ name: "items.by_body", change: "added" }], tables: [{ name: "items" }] };
  expect(await answered(service.evaluateSchema!(body))).toMatchObject({
    componentSchemaEvaluations: { "": added, a: added },
    newComponentDefinitions: [notes],
  });
  await expect(answered(service.startPush(body))).rejects.toMatchObject({
    code: "InvalidModules",
    message: expect.stringContaining("at import"),
  });
});

it("says of a request that is none what start_push says", async () => {
  for (const body of [{}, { ...bodyWith({}), functions: 1 }, { ...bodyWith({}), componentDefinitions: {} }]) {
    const refused = { code: "InvalidConfig" };
    await expect(answered(service.evaluateSchema!(body))).rejects.toMatchObject(refused);
    await expect(answered(service.startPush(body))).rejects.toMatchObject(refused);
  }
});

it("pushes all modules, with routes of components", async () => {
  const body = bodyWith({ "http.js": http, "lib.js": functionsModule({ read: ["Query", "Public"] }) });
  const startPush = await answered(service.startPush(body));
  expect(startPush).toMatchObject({
    analysis: { "": { functions: { "m.js": { functions: [{ name: "add" }] } } } },
    app: { childComponents: { a: { httpPrefix: "/a/" } } },
  });
  const { componentDiffs } = (await answered(service.finishPush({ startPush, dryRun: false }))) as {
    componentDiffs: Record<string, { moduleDiff: { added: string[] } }>;
  };
  expect(componentDiffs[""]?.moduleDiff.added).toEqual(["m.js"]);
  expect(componentDiffs["a"]?.moduleDiff.added.toSorted()).toEqual(["http.js", "lib.js"]);
  expect(await answered(service.getConfigHashes({}))).toMatchObject({ moduleHashes: [{ path: "m.js" }] });
});
