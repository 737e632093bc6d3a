import { expect, test } from "vitest";
import { api } from "../../_generated/api.js";
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
