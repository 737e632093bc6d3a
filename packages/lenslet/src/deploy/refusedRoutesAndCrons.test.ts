import { expect, it } from "vitest";
import { refusal } from "./testing/analyzePushed.ts";

const server = `import { query, internalAction, httpAction } from "./_generated/server";`;
const crons = (
  body: string,
) => `import { cronJobs } from "convex/server"; import { internal } from "./_generated/api";
  const crons = cronJobs(); ${body}
  export default crons;`;
const jobs = `${server} export const run = internalAction(async () => {});`;

/** What a push of these modules is refused with, without the lines that every refusal begins with. */
async function detail(files: Readonly<Record<string, string>>): Promise<string> {
  const result = await refusal(files);
  expect(result?.code).toBe("InvalidModules");
  return result?.message.split("encountered the following\n    error:\n", 2)[1] ?? "";
}

it.each([
  ['interval("x", { seconds: 0 }, run)', "Interval must be an integer greater than 0"],
  ['interval("x", { minutes: 1.5 }, run)', "Interval must be an integer greater than 0"],
  ['interval("x", { hours: -1 }, run)', "Interval must be an integer greater than 0"],
  ['interval("x", { seconds: 1, minutes: 1 }, run)', "Must specify one of seconds, minutes, or hours"],
  ['interval("x", {}, run)', "Must specify one of seconds, minutes, or hours"],
  ['hourly("x", { minuteUTC: 60 }, run)', "Minute of hour must be an integer from 0 to 59"],
  ['daily("x", { hourUTC: 24, minuteUTC: 0 }, run)', "Hour of day must be an integer from 0 to 23"],
  ['weekly("x", { dayOfWeek: "Monday", hourUTC: 0 }, run)', 'Day of week must be a string like "monday".'],
  ['monthly("x", { day: 32, hourUTC: 0 }, run)', "Day of month must be an integer from 1 to 31"],
  [
    'interval("sch\u00f6n", { hours: 1 }, run)',
    "Invalid cron identifier sch\u00f6n: use ASCII letters that are not control characters",
  ],
  [
    'hourly("x", { minuteUTC: 1 }, run); crons.hourly("x", { minuteUTC: 2 }, run)',
    "Cron identifier registered twice: x",
  ],
])("says as the package does what is wrong with crons.%s", async (line, message) => {
  const files = { "crons.ts": crons(`const { run } = internal.jobs; crons.${line};`), "jobs.ts": jobs };
  expect((await detail(files)).split("\n", 1)).toEqual([
    `Failed to analyze crons.js: Uncaught Error: ${message}`,
  ]);
});

it.each([
  ["cron", '{ type: "cron", cron: "0 0 31 2 *" }', 'The cron spec "0 0 31 2 *" will never match any time'],
  [
    "two units",
    '{ type: "interval", seconds: 1, hours: 1 }',
    "Must specify one of seconds, minutes, or hours",
  ],
  ["half a second", '{ type: "interval", seconds: 0.5 }', "The crons are invalid: "],
  ["a day of no week", '{ type: "weekly", dayOfWeek: "noday", hourUTC: 1 }', "The crons are invalid: "],
  ["no schedule", '{ type: "yearly" }', "The crons are invalid: "],
])("checks crons that the package has not: %s", async (_name, schedule, message) => {
  const file = `export default { isCrons: true, export: () => JSON.stringify({ x: { name: "jobs:run", args: [{}], schedule: ${schedule} } }) };`;
  expect(await detail({ "crons.ts": file, "jobs.ts": jobs })).toContain(message);
});

it("refuses arguments of a cron that are too large, and what are no crons", async () => {
  const bytes = 1_048_576;
  const call = (length: number) =>
    crons(`crons.hourly("x", { minuteUTC: 1 }, internal.jobs.run, { a: "x".repeat(${length}) });`);
  // `[{"a":""}]` is around the letters.
  expect(await detail({ "crons.ts": call(bytes - 10), "jobs.ts": jobs })).toContain(
    `Cron job args too large (${bytes} > maximum size ${bytes})`,
  );
  expect(await refusal({ "crons.ts": call(bytes - 11), "jobs.ts": jobs })).toBeNull();
  expect(await detail({ "crons.ts": "export default {};" })).toContain(
    "The default export of `convex/crons.js` is not a Crons object.",
  );
});

it.each([
  ['{ path: "/a", method: "GET" }', "route requires handler"],
  ['{ path: "/a", handler: reply }', "route requires method"],
  [
    '{ path: "/a", method: "HEAD", handler: reply }',
    "'HEAD' is not an allowed HTTP method (like GET, POST, PUT etc.)",
  ],
  ['{ path: "a", method: "GET", handler: reply }', "path 'a' does not start with a /"],
  ['{ path: "/.files/x", method: "GET", handler: reply }', "path '/.files/x' is reserved"],
  ['{ pathPrefix: "a/", method: "GET", handler: reply }', "pathPrefix 'a/' does not start with a /"],
  ['{ pathPrefix: "/a", method: "GET", handler: reply }', "pathPrefix /a must end with a /"],
  [
    '{ path: "/a", pathPrefix: "/a/", method: "GET", handler: reply }',
    "Invalid httpRouter route: cannot contain both 'path' and 'pathPrefix'",
  ],
  [
    '{ method: "GET", handler: reply }',
    "Invalid httpRouter route entry: must contain either field 'path' or 'pathPrefix'",
  ],
  ['{ path: "/twice", method: "GET", handler: reply }', "Path '/twice' for method GET already in use"],
  ['{ pathPrefix: "/two/", method: "GET", handler: reply }', "GET pathPrefix /two/ is already defined"],
])("says as the package does what is wrong with the route %s", async (route, message) => {
  const file = `import { httpRouter } from "convex/server"; ${server}
      const http = httpRouter();
      const reply = httpAction(async () => new Response("ok"));
      http.route({ path: "/twice", method: "GET", handler: reply });
      http.route({ pathPrefix: "/two/", method: "GET", handler: reply });
      http.route(${route} as never);
      export default http;`;
  expect((await detail({ "http.ts": file })).split("\n", 1)).toEqual([
    `Failed to analyze http.js: Uncaught Error: ${message}`,
  ]);
});

it("refuses methods that are not routed", async () => {
  const file = "export default { isRouter: true, getRoutes: () => [['/a', 'HEAD', {}]] };";
  expect(await detail({ "http.ts": file })).toContain(
    "'HEAD' is not not a routable method (one of GET, POST, PUT, DELETE, PATCH, OPTIONS)",
  );
});
