import { api } from "../../convex/_generated/api.js";
import type { LiveServer } from "./liveServer.ts";

const perChat = 1000;

/**
 * Makes an account with many messages, deletes it, and kills the server in the middle of that as often as told.
 *
 * @param say told of each step
 * @throws unless everything is gone in the end, and nothing of anybody else
 */
export async function deleteLargeAccount(
  live: LiveServer,
  { messages, kills, say = () => {} }: { messages: number; kills: number; say?: (text: string) => void },
): Promise<{ readonly seconds: number }> {
  const large = await live.signUp("Large Account");
  const other = await live.signUp("Other Account");
  const { users, chats } = api.functions.queries;
  const userId = (await large.client.query(users.getCurrentUser, {}))?._id ?? "";
  const otherChat = await other.client.mutation(api.functions.mutations.chats.createChat, { title: "Stays" });
  const chatIds: string[] = [];
  for (let made = 0; made < messages; made += perChat) {
    const count = Math.min(perChat, messages - made);
    chatIds.push((await live.server.call("seed:addMessages", { userId, count })) as string);
  }
  say(`${messages.toLocaleString("en-US")} messages in ${chatIds.length} chats are written`);

  const started = performance.now();
  await large.client.mutation(api.functions.mutations.users.deleteUser, {});
  for (let kill = 1; kill <= kills; kill++) {
    const chatsLeft = await chatsOf(live, userId);
    // Somewhere in the middle: at so many parts of the way.
    await until(
      async () => (await chatsOf(live, userId)) <= (chatIds.length * (kills + 1 - kill)) / (kills + 1),
    );
    await live.server.kill9();
    await live.server.start();
    say(`killed with kill -9 and started again (${chatsLeft} chats were left before)`);
  }
  await until(async () => (await live.server.call("seed:leftOf", { userId })) === 0);
  const seconds = (performance.now() - started) / 1000;
  if ((await other.client.query(chats.getChatById, { chatId: otherChat })) === null)
    throw new Error("somebody else's chat is gone");
  return { seconds };
}

async function chatsOf(live: LiveServer, userId: string): Promise<number> {
  return (await live.server.call("seed:chatsOf", { userId })) as number;
}

const waitMsMax = 20 * 60_000;

async function until(look: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + waitMsMax;
  while (!(await look())) {
    if (performance.now() > deadline) throw new Error("the account is not gone");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
