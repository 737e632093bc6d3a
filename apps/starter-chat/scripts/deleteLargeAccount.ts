import { deleteLargeAccount } from "../tests/support/largeAccount.ts";
import { LiveServer } from "../tests/support/liveServer.ts";

// `npm run delete-large-account [-- count]`: an account with 100,000 messages is deleted on a server of its own, which is
// killed three times meanwhile.

const messages = Number(process.argv[2] ?? "100000");
const live = await LiveServer.startWithApp();
try {
  const say = (text: string) => process.stdout.write(`${text}\n`);
  const { seconds } = await deleteLargeAccount(live, { messages, kills: 3, say });
  say(`Everything is gone, ${seconds.toFixed(1)} s after the account was deleted, restarts included.`);
} finally {
  await live.close();
}
