// The order of the rooms (ARCHITECTURE.md): a room imports only rooms above it in this list.
const rooms = [
  "base",
  "values",
  "protocol",
  "log",
  "store",
  "search",
  "transaction",
  "jobs",
  "subscription",
  "runner",
  "deploy",
  "engine",
  "scheduler",
  "files",
  "transfer",
  "cluster",
  "auth",
  "sync",
  "http",
  "main",
];
const src = "^packages/lenslet/src";
const testFile = "\\.test\\.ts$|/testing/";

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    ...rooms.map((room, position) => ({
      name: `${room}-imports-only-rooms-above`,
      severity: "error",
      from: { path: `${src}/${room}/`, pathNot: testFile },
      to: { path: `${src}/(${rooms.slice(position + 1).join("|") || "none"})/` },
    })),
    {
      name: "http-and-sync-are-strangers",
      severity: "error",
      from: { path: `${src}/(http|sync)/` },
      to: { path: `${src}/(http|sync)/`, pathNot: `${src}/$1/` },
    },
    {
      name: "every-folder-is-a-known-room",
      severity: "error",
      from: {},
      to: { path: `${src}/`, pathNot: `${src}/(${rooms.join("|")})/` },
    },
    { name: "no-circular", severity: "error", from: { path: src }, to: { circular: true } },
  ],
  options: {
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
  },
};
