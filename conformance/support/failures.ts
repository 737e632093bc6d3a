import { ConvexError } from "convex/values";

/** The code of the error that a call of an app ends with. */
export async function codeOf(call: Promise<unknown>): Promise<string> {
  return (await failureOf(call)).code;
}

/** What the error says that a call of an app ends with. */
export async function failureOf(call: Promise<unknown>): Promise<{ code: string } & Record<string, unknown>> {
  try {
    await call;
  } catch (error) {
    if (error instanceof ConvexError) return error.data as { code: string };
    return { code: String((error as Error).message) };
  }
  return { code: "no error" };
}
