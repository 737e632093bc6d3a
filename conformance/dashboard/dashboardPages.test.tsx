import { fileURLToPath } from "node:url";
import { ConvexProvider, ConvexReactClient, usePaginatedQuery, useQuery } from "convex/react";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Screen } from "../official-clients/screens.tsx";
import { until } from "../support/until.ts";
import { pushApp, TestProject } from "../support/project.ts";
import { TestServer } from "../support/server.ts";
import { DashboardClient, systemFunction } from "./dashboardClient.ts";

let server: TestServer;
let dashboard: DashboardClient;
let react: ConvexReactClient;
beforeAll(async () => {
  server = await TestServer.start();
  await pushApp(server, TestProject.create(fileURLToPath(new URL("./app", import.meta.url))).folder);
  dashboard = new DashboardClient(server);
  react = new ConvexReactClient(server.url, { logger: false, reportDebugInfoToConvex: true });
  (react as unknown as { setAdminAuth(key: string): void }).setAdminAuth(server.adminKey);
}, 120_000);
afterAll(async () => {
  await react.close();
  await server.dispose();
});

interface Shown {
  rows: readonly { readonly name?: string; readonly action?: string }[];
  status: string;
  loadMore: (count: number) => void;
}

/** A table of the dashboard: one of its paginated queries. */
function Table(props: {
  readonly name: string;
  readonly args: Record<string, unknown>;
  readonly shown: Shown;
  readonly size: { count: unknown };
}) {
  const { name, args, shown, size } = props;
  const { results, status, loadMore } = usePaginatedQuery(
    systemFunction<"query">(name) as never,
    args as never,
    {
      initialNumItems: 4,
    },
  );
  size.count = useQuery(systemFunction<"query">("tableSize:default"), { tableName: "people" });
  Object.assign(shown, { rows: results, status, loadMore });
  return <p>{results.length}</p>;
}

function show(name: string, args: Record<string, unknown>) {
  const shown: Shown = { rows: [], status: "", loadMore: () => undefined };
  const size = { count: undefined as unknown };
  const screen = new Screen(
    <ConvexProvider client={react}>
      <Table name={name} args={args} shown={shown} size={size} />
    </ConvexProvider>,
  );
  return { shown, size, screen };
}

it("shows documents live, page by page, as they are edited", async () => {
  const person = (age: number) => ({ name: `p${age}`, age });
  const documents = Array.from({ length: 10 }, (_, age) => person(age));
  await dashboard.mutation("addDocument:default", { table: "people", documents });
  const filters = Buffer.from(
    JSON.stringify({ clauses: [{ op: "type", field: "city", value: "unset", enabled: true }] }),
  ).toString("base64");
  const { shown, size, screen } = show("paginatedTableDocuments:default", { table: "people", filters });
  const names = () => shown.rows.map(({ name }) => name).join(" ");
  await until("the first page is there", () => names() === "p9 p8 p7 p6");
  shown.loadMore(4);
  await until("the second page is there", () => names() === "p9 p8 p7 p6 p5 p4 p3 p2");
  await dashboard.mutation("addDocument:default", { table: "people", documents: [person(10)] });
  await until("the new one is there", () => names() === "p10 p9 p8 p7 p6 p5 p4 p3 p2");
  const [, nine] = await dashboard.documents("people");
  const change = { table: "people", ids: [nine!._id], fields: { city: "London" } };
  await dashboard.mutation("patchDocumentsFields:default", change);
  await until("the changed one is gone", () => names() === "p10 p8 p7 p6 p5 p4 p3 p2");
  expect(size.count).toBe(11);
  await dashboard.mutation("clearTablePage:default", { tableName: "people", cursor: null });
  await until("it is empty", () => names() === "" && size.count === 0);
  screen.close();
});

it("shows history live", async () => {
  const { shown, screen } = show("paginatedDeploymentEvents:default", {
    filters: { minDate: 0, actions: ["create_table"] },
  });
  await until("it is loaded", () => shown.status === "Exhausted");
  expect(shown.rows).toEqual([]);
  await dashboard.mutation("createTable:default", { table: "extra" });
  await until("the table is there", () => shown.rows.map(({ action }) => action).join() === "create_table");
  screen.close();
});
