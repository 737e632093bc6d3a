/** A function offered to the bench; what it returns must survive JSON. */
type Handler = (argument: never) => unknown;

interface Request {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

/** The child's side of `Child.call`. The process ends when the bench does. */
export function serveCalls(handlers: Readonly<Record<string, Handler>>): void {
  process.on("disconnect", () => process.exit(0));
  process.on("message", (message) => {
    const { id, name, argument } = message as Request;
    answer(handlers[name], argument).then(
      (result) => process.send?.({ id, result: result ?? null }),
      (error: unknown) => {
        console.error(error);
        process.send?.({ id, error: (error as Error).message });
      },
    );
  });
}

async function answer(handler: Handler | undefined, argument: unknown): Promise<unknown> {
  if (handler === undefined) throw new Error("no such call");
  return await handler(argument as never);
}

/** The configuration the bench started this process with. */
export function childConfig(): unknown {
  return JSON.parse(process.argv[2] ?? "null");
}
