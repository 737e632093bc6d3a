import { vi } from "vitest";
import { convexTest, type TestConvex } from "../../../../../../packages/testing/src/index.ts";
import { internal } from "../_generated/api.js";
import type { Id } from "../_generated/dataModel.js";
import schema from "../schema.ts";

/*
 * What tests of the model layer begin with. The dot in the name keeps the file out of pushes.
 */

/** The backend under test. */
export type ConvexTestingHelper = TestConvex<typeof schema>;

/** The backend as a certain user calls it. */
export type UserTestingHelper = ReturnType<ConvexTestingHelper["withIdentity"]>;

const modules = import.meta.glob(["../**/*.{ts,tsx}", "../_generated/*.js", "!../**/*.test.ts", "!./**"]);

/** Components that functions of the model layer write to, and the packages that bring them. */
const components = {
  agent: "@convex-dev/agent",
  presence: "@convex-dev/presence",
  r2: "@convex-dev/r2",
  // Within R2, whose helper gives it a name at the top.
  "r2/actionRetrier": "@convex-dev/action-retrier",
  rateLimiter: "@convex-dev/rate-limiter",
  workflow: "@convex-dev/workflow",
} as const;

interface ComponentTest {
  readonly register: (t: ConvexTestingHelper, name: string) => void;
}

/**
 * An empty backend in memory, on the real engine, with its components. What it schedules waits: the onboarding of each
 * new user is a matter for tests with a server (tests/backend/onboarding.test.ts).
 */
export async function backendTest(): Promise<ConvexTestingHelper> {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const t = convexTest(schema, modules);
  for (const [name, packageName] of Object.entries(components)) {
    // Not a literal: the packages' sources are not ours to type-check.
    const test = (await import(`${packageName}/test`)) as ComponentTest;
    test.register(t, name);
  }
  return t;
}

let count = 0;

/** A new user. */
export async function createTestUser(
  t: ConvexTestingHelper,
  more: { readonly name?: string; readonly email?: string } = {},
): Promise<Id<"users">> {
  return await t.mutation(internal.users.create, {
    clerkId: `test_${++count}`,
    email: more.email ?? `test-${count}@example.com`,
    name: more.name ?? "Test User",
  });
}

/** A new user, and the backend as they call it. */
export async function signInTestUser(
  t: ConvexTestingHelper,
  more: { readonly name?: string; readonly email?: string; readonly credits?: number } = {},
): Promise<{ userId: Id<"users">; as: UserTestingHelper }> {
  const userId = await createTestUser(t, more);
  const user = await t.run(async (ctx) => {
    if (more.credits !== undefined) await ctx.db.patch(userId, { credits: more.credits });
    return await ctx.db.get(userId);
  });
  const as = t.withIdentity({
    subject: user?.clerkId ?? "",
    email: user?.email ?? "",
    name: user?.name ?? "",
    emailVerified: true,
  });
  return { userId, as };
}
