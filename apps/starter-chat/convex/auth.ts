import { type AuthFunctions, createClient, type GenericCtx } from "@convex-dev/better-auth";
import { convex, crossDomain } from "@convex-dev/better-auth/plugins";
import { betterAuth } from "better-auth/minimal";
import { components, internal } from "./_generated/api.js";
import type { DataModel } from "./_generated/dataModel.js";
import authConfig from "./auth.config.ts";
import { attemptHooks } from "./model/attemptHooks.ts";
import { confirmEmail, endSession, openAccount, startSession, touchSession } from "./model/accounts.ts";
import { startDeletingUser } from "./model/cascade.ts";
import { accountOfAuthUser, tokenIdentifierOfAuthUser } from "./model/identity.ts";
import { limits } from "./model/limits.ts";
import { sendMail } from "./model/mail.ts";
import { pageUrl } from "./model/site.ts";
import { nameFromIdentity } from "./model/validation.ts";

const authFunctions: AuthFunctions = internal.auth;

/**
 * Better Auth, with its tables in a component of its own. The triggers keep `users` and `user_sessions` in step with
 * them, in the same transaction.
 */
export const authComponent = createClient<DataModel>(components.betterAuth, {
  authFunctions,
  triggers: {
    user: {
      onCreate: async (ctx, { _id, name, email, emailVerified }) => {
        const userId = await openAccount(ctx, {
          tokenIdentifier: tokenIdentifierOfAuthUser(_id),
          name: nameFromIdentity({ name, email, subject: _id }),
        });
        if (emailVerified) await confirmEmail(ctx, userId, email);
      },
      onUpdate: async (ctx, { _id, email, emailVerified }, before) => {
        const user = await accountOfAuthUser(ctx, _id);
        if (user === null || !emailVerified) return;
        if (!before.emailVerified || before.email !== email) await confirmEmail(ctx, user._id, email);
      },
      onDelete: async (ctx, { _id }) => {
        const user = await accountOfAuthUser(ctx, _id);
        if (user !== null) await startDeletingUser(ctx, user);
      },
    },
    session: {
      onCreate: async (ctx, { _id, userId, userAgent }) => {
        const user = await accountOfAuthUser(ctx, userId);
        const { ip } = await ctx.meta.getRequestMetadata();
        if (user !== null) await startSession(ctx, user, { sessionId: _id, userAgent, ipAddress: ip });
      },
      onUpdate: async (ctx, { _id }) => {
        await touchSession(ctx, _id);
      },
      onDelete: async (ctx, { _id }) => {
        await endSession(ctx, _id);
      },
    },
  },
});

export const { onCreate, onUpdate, onDelete } = authComponent.triggersApi();

/** Better Auth as it is set up for one request. */
export const createAuth = (ctx: GenericCtx<DataModel>) =>
  betterAuth({
    appName: "Starter chat",
    baseURL: process.env.CONVEX_SITE_URL ?? "",
    secret: secretFor(ctx),
    // Nobody needs to be told in the log that the page is somewhere else than its server.
    trustedOrigins: [pageUrl()],
    database: authComponent.adapter(ctx),
    emailAndPassword: {
      enabled: true,
      // One can begin at once; what goes by the address (being found, shares) waits for its confirmation.
      requireEmailVerification: false,
      minPasswordLength: limits.passwordLengthMin,
      maxPasswordLength: limits.passwordLengthMax,
      revokeSessionsOnPasswordReset: true,
      sendResetPassword: async ({ user, token }) => {
        const address = `${pageUrl()}/?reset-token=${encodeURIComponent(token)}`;
        await sendMail(ctx, {
          to: user.email,
          subject: "Choose a new password",
          text:
            `Hello ${user.name},\n\nsomebody, hopefully you, wants to choose a new password for your account. ` +
            `Do so here within an hour:\n\n${address}\n\nIf it was not you, there is nothing to do.`,
        });
      },
    },
    emailVerification: {
      sendOnSignUp: true,
      sendVerificationEmail: async ({ user, url }) => {
        const address = new URL(url);
        address.searchParams.set("callbackURL", `${pageUrl()}/?verified=1`);
        await sendMail(ctx, {
          to: user.email,
          subject: "Confirm your e-mail address",
          text:
            `Hello ${user.name},\n\nplease confirm that this is your e-mail address:\n\n${address.href}\n\n` +
            "Others can share chats with you by it from then on. If you have not signed up, there is nothing to do.",
        });
      },
    },
    plugins: [
      crossDomain({ siteUrl: pageUrl() }),
      convex({
        authConfig,
        jwt: {
          definePayload: ({ user }) => ({
            name: user.name,
            email: user.email,
            email_verified: user.emailVerified,
          }),
        },
      }),
    ],
    hooks: attemptHooks(ctx),
    // Better Auth knows addresses only from a header; the deployment says where a session begins (`session.onCreate`).
    advanced: { ipAddress: { disableIpTracking: true } },
    // Its own limits count by such an address.
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
  });

/** Sessions and tokens are signed with it: an unset secret must not silently be a known one. */
function secretFor(ctx: GenericCtx<DataModel>): string {
  const secret = process.env.BETTER_AUTH_SECRET ?? "";
  if (secret !== "") return secret;
  // The routes are set up once without a request; nothing is signed there.
  if (!("auth" in ctx)) return "only for looking at the options, never for signing";
  throw new Error("BETTER_AUTH_SECRET is not set in this deployment. `npm run setup` makes and sets one.");
}
