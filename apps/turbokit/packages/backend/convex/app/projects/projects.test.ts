import { expect, test } from "vitest";
import { api, internal } from "../../_generated/api.js";
import { limits } from "../../lib/validation.ts";
import { backendTest, createTestUser, signInTestUser } from "../../test/helpers.setup.ts";

test("user can create project", async () => {
  const t = await backendTest();
  const { userId, as } = await signInTestUser(t);
  const projectId = await as.mutation(api.projects.create, { name: "Test Project" });
  const project = await as.query(api.projects.get, { id: projectId });
  expect(project?.userId).toBe(userId);
});

test("nobody creates a project", async () => {
  const t = await backendTest();
  await createTestUser(t);
  await expect(t.mutation(api.projects.create, { name: "Test" })).rejects.toMatchObject({
    data: { code: "UNAUTHENTICATED", message: "Authentication required" },
  });
  const stranger = t.withIdentity({ subject: "nobody_knows" });
  await expect(stranger.query(api.projects.list, {})).rejects.toMatchObject({
    data: { code: "USER_NOT_FOUND", message: "User not found" },
  });
});

test("what comes from elsewhere is checked like anything else", async () => {
  const t = await backendTest();
  const { userId, as } = await signInTestUser(t);
  const sync = (data: { name: string; description?: string }) =>
    t.mutation(internal.projects.syncProject, { userId, externalId: "x-1", data });
  const tooLong = { name: "Imported", description: "x".repeat(limits.descriptionCharsMax + 1) };
  const refusal = { data: { code: "INVALID_INPUT", field: "description" } };
  await expect(sync(tooLong)).rejects.toMatchObject(refusal);
  const id = await sync({ name: "Imported", description: "short" });
  await expect(sync(tooLong)).rejects.toMatchObject(refusal);
  expect(await as.query(api.projects.get, { id })).toMatchObject({ description: "short" });
  await as.mutation(api.users.remove, {});
  await expect(
    t.mutation(internal.projects.syncProject, { userId, externalId: "x-2", data: { name: "Too late" } }),
  ).rejects.toMatchObject({ data: { code: "USER_NOT_FOUND" } });
});
