import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { asAdmin, TestServer } from "./testSupport.ts";

const server = new TestServer();
const { engine } = server;
const client = { ip: "127.0.0.1", userAgent: null };
beforeAll(() => server.open());
afterAll(() => server.close());
beforeEach(() => {
  engine.operations.length = 0;
  engine.systemAnswer = () => "null";
});

it("cancels one job", async () => {
  const answer = await server.post("/api/cancel_job", { id: "abc", componentId: null }, asAdmin);
  expect([answer.status, answer.text]).toEqual([200, ""]);
  expect(engine.operations).toEqual([
    { operation: "scheduler.cancelOne", args: { id: "abc", componentId: null, client } },
  ]);
  expect((await server.post("/api/cancel_job", {}, asAdmin)).status).toBe(400);
});

it("cancels all jobs slice by slice, with times in nanoseconds", async () => {
  let slices = 0;
  engine.systemAnswer = () => (++slices < 3 ? `"at ${slices}"` : "null");
  const body = { udfPath: "m:f", startNextTs: 1_700_000_000_000_000_000, endNextTs: "1700000001000000000" };
  expect((await server.post("/api/cancel_all_jobs", body, asAdmin)).status).toBe(200);
  const args = {
    componentId: null,
    componentPath: null,
    udfPath: "m:f",
    startMs: 1_700_000_000_000,
    endMs: 1_700_000_001_000,
  };
  expect(engine.operations).toEqual(
    ["", "at 1", "at 2"].map((behind) => ({
      operation: "scheduler.cancelAll",
      // The first says who wanted it.
      args: { ...args, behind, ...(behind === "" ? { client } : {}) },
    })),
  );
});

it.each([
  [{ startNextTs: 1.5 }, "InvalidStartNextTs"],
  [{ endNextTs: "soon" }, "InvalidEndNextTs"],
])("refuses %o", async (body, code) => {
  const answer = await server.post("/api/cancel_all_jobs", body, asAdmin);
  expect([answer.status, answer.json()["code"]]).toEqual([400, code]);
  expect(engine.operations).toEqual([]);
});

it("clears the table slice by slice", async () => {
  let slices = 0;
  engine.systemAnswer = () => String(++slices < 3);
  expect((await server.post("/api/delete_scheduled_functions_table", {}, asAdmin)).status).toBe(200);
  expect(slices).toBe(3);
});

it.each(["/api/cancel_job", "/api/cancel_all_jobs", "/api/delete_scheduled_functions_table"])(
  "%s is for admins",
  async (path) => {
    expect((await server.post(path, { id: "abc" })).status).toBeGreaterThanOrEqual(401);
    expect(engine.operations).toEqual([]);
  },
);
