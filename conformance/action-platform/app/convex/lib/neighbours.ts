import { anyApi, type GenericActionCtx, type GenericDataModel } from "convex/server";

/** What harms a process, and neighbours that must not feel it. */
type Ctx = GenericActionCtx<GenericDataModel>;
const notes = anyApi["notes"]!;
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Says that it is there, goes on until all are told to go, and answers. */
export async function stay(ctx: Ctx, name: string, round: string): Promise<string> {
  await ctx.runMutation(notes["add"]!, { text: `${round}: ${name} is there` });
  while (!((await ctx.runQuery(notes["list"]!, {})) as string[]).includes(`${round}: go`)) await pause(20);
  await ctx.runMutation(notes["add"]!, { text: `${round}: ${name} has gone` });
  return `${name} stayed`;
}

const harms: Readonly<Record<string, () => unknown>> = {
  loops: () => {
    for (;;);
  },
  hoards: () => {
    const all: string[] = [];
    for (let i = 0; ; i++) all.push(`${i}`.repeat(100_000).toUpperCase());
  },
  throwsInTimer: () => {
    setTimeout(() => {
      throw new Error("thrown by a timer");
    }, 1);
    return pause(60_000);
  },
  exits: () => process.exit(3),
  aborts: () => process.abort(),
};

/** Says that it begins, and does it. */
export async function harm(ctx: Ctx, how: string, round: string): Promise<void> {
  await ctx.runMutation(notes["add"]!, { text: `${round}: ${how}` });
  await harms[how]!();
}
