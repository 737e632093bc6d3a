import { describe, expect, it } from "vitest";
import { type HttpRouteTree, matchHttpRoute } from "./httpRouting.ts";

function tree(
  routes: readonly string[] | null,
  mounts: Readonly<Record<string, HttpRouteTree>> = {},
  changes: Partial<HttpRouteTree> = {},
): HttpRouteTree {
  return {
    componentPath: "",
    routes:
      routes?.map((text) => {
        const [method = "", path = ""] = text.split(" ");
        return { method, path };
      }) ?? null,
    httpPrefix: null,
    mounts: new Map(Object.entries(mounts)),
    ...changes,
  };
}

/** e.g. "GET /a/* in child as /a/b" */
function answer(routes: HttpRouteTree, request: string): string {
  const [method = "", path = ""] = request.split(" ");
  const match = matchHttpRoute(routes, method, path);
  if (match.kind === "disabled" || match.kind === "nobody") return match.kind;
  const place = `in ${match.componentPath || "app"} as ${match.localPath}`;
  return match.kind === "unrouted"
    ? `unrouted ${place}`
    : `${match.route.method} ${match.route.path} ${place}`;
}

describe("HTTP routes of one component", () => {
  const app = tree([
    "GET /a",
    "POST /a",
    "GET /a%20b",
    "GET /dir/*",
    "GET /dir/deep/*",
    "GET /dir/deep/exact",
    "POST /dir/deep/*",
    "OPTIONS /*",
  ]);
  it.each([
    ["GET /a", "GET /a in app as /a"],
    ["HEAD /a", "GET /a in app as /a"],
    ["POST /a", "POST /a in app as /a"],
    ["PUT /a", "unrouted in app as /a"],
    ["OPTIONS /a", "OPTIONS /* in app as /a"],
    // Neither slashes nor percent signs are normalised.
    ["GET /a/", "unrouted in app as /a/"],
    ["GET //a", "unrouted in app as //a"],
    ["GET /a%20b", "GET /a%20b in app as /a%20b"],
    ["GET /%61", "unrouted in app as /%61"],
    ["GET /dir", "unrouted in app as /dir"],
    ["GET /dir/", "GET /dir/* in app as /dir/"],
    ["GET /dir/x", "GET /dir/* in app as /dir/x"],
    ["GET /dir/deep/x", "GET /dir/deep/* in app as /dir/deep/x"],
    ["GET /dir/deep/exact", "GET /dir/deep/exact in app as /dir/deep/exact"],
    ["POST /dir/deep/exact", "POST /dir/deep/* in app as /dir/deep/exact"],
    ["POST /dir/x", "unrouted in app as /dir/x"],
    // A route whose path ends in a star is a prefix for everybody else, but can also be named.
    ["GET /dir/*", "GET /dir/* in app as /dir/*"],
  ])("%s", (request, expected) => {
    expect(answer(app, request)).toBe(expected);
  });

  it("tells a deployment without http.ts from one with an empty router", () => {
    expect(answer(tree(null), "GET /a")).toBe("disabled");
    expect(answer(tree([]), "GET /a")).toBe("unrouted in app as /a");
  });
});

describe("HTTP routes of mounted components", () => {
  const inner = tree(["GET /x", "GET /y/*"], {}, { componentPath: "outer/inner" });
  const outer = tree(["GET /own", "GET /in/*", "GET /*"], { "/in/": inner }, { componentPath: "outer" });
  const silent = tree(null, {}, { componentPath: "silent" });
  const app = tree(
    ["GET /here", "GET /outer/exact", "GET /outer/*", "GET /outer/longer/*", "GET /*"],
    { "/outer/": outer, "/silent/": silent, "/*/": inner },
    { httpPrefix: "/api/" },
  );
  const plain = tree(["GET /outer/exact", "GET /outer/*", "GET /outer/longer/*"], { "/outer/": outer });

  it.each([
    [
      "an exact route is stronger than a mount",
      plain,
      "GET /outer/exact",
      "GET /outer/exact in app as /outer/exact",
    ],
    ["of equal lengths the mount is taken", plain, "GET /outer/own", "GET /own in outer as /own"],
    [
      "a longer prefix is stronger",
      plain,
      "GET /outer/longer/a",
      "GET /outer/longer/* in app as /outer/longer/a",
    ],
    ["a mount in a mount", plain, "GET /outer/in/x", "GET /x in outer/inner as /x"],
    [
      "the child answers for what is below it",
      plain,
      "GET /outer/in/nothing",
      "unrouted in outer/inner as /nothing",
    ],
    ["the mount point without its slash is not in it", plain, "GET /outer", "unrouted in app as /outer"],
    ["own routes lie below the app's prefix", app, "GET /api/here", "GET /here in app as /here"],
    ["and nowhere else", app, "GET /here", "unrouted in app as /here"],
    ["nor beside it", app, "GET /apihere", "unrouted in app as /apihere"],
    ["the prefix itself is their root", app, "GET /api", "GET /* in app as /"],
    ["mounts do not", app, "GET /outer/own", "GET /own in outer as /own"],
    ["the app answers for a child without http.ts", app, "GET /silent/a", "unrouted in app as /silent/a"],
  ])("%s", (_rule, routes, request, expected) => {
    expect(answer(routes, request)).toBe(expected);
  });

  it("has nobody to ask when neither has an http.ts", () => {
    expect(answer(tree(null, { "/silent/": silent }), "GET /silent/a")).toBe("nobody");
    expect(answer(tree(null, { "/silent/": silent }), "GET /a")).toBe("nobody");
  });
});
